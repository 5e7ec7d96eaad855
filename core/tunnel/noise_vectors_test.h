/*
 * Known handshakes of WireGuard, in hexadecimal. They were computed by an independent program
 * written from the equations of the WireGuard paper (sections 5.4.1 to 5.4.7) in Python, with
 * hashlib's BLAKE2s, OpenSSL's X25519 and ChaCha20-Poly1305 by way of the cryptography package, and
 * an HChaCha20 of its own. The same program reproduces the vector that the Noise library Cacophony
 * publishes for Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s: both handshake messages, the handshake hash
 * and four transport messages.
 */
#ifndef WARREN_TUNNEL_NOISE_VECTORS_TEST_H
#define WARREN_TUNNEL_NOISE_VECTORS_TEST_H

#include <stdint.h>

/* Static keys: the private ones are those of RFC 7748, section 6.1. */
#define VECTOR_INITIATOR_PRIVATE "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a"
#define VECTOR_INITIATOR_PUBLIC "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a"
#define VECTOR_RESPONDER_PRIVATE "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb"
#define VECTOR_RESPONDER_PUBLIC "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f"
#define VECTOR_STATIC_SHARED "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742"

/* What follows from each public key: hash at the begin, key of mac1, key of cookies. */
#define VECTOR_INITIATOR_HASH "e7a5e4b40a7a5675887ad11042ccfc1112ed3507384bca39896693cfab32bdc6"
#define VECTOR_INITIATOR_MAC1_KEY "0ec72453412f9befa2f799ea837d0b88429321711dd01f9025163123bd1905be"
#define VECTOR_INITIATOR_COOKIE_KEY \
    "9c357cf611ac8d2e8e2369cda113f1ae6dc10d4f90c4d0f91fb235a27f890afd"
#define VECTOR_RESPONDER_HASH "08963986a41d7612e4d6f0868a37c8bb14e41536450acbb8b92dc45fd17ef8d5"
#define VECTOR_RESPONDER_MAC1_KEY "52c0a95717f46ba7941f80cec1ead35984c9f023a996170d9e47e314d260dc96"
#define VECTOR_RESPONDER_COOKIE_KEY \
    "da2c25a7f8182d2a7a58b0978d9dcd7e5f76c3fcf138fd6e5754404304cacba0"

/* What is drawn at random, and the time. */
#define VECTOR_INITIATOR_EPHEMERAL \
    "202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f"
#define VECTOR_RESPONDER_EPHEMERAL \
    "e0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff"
#define VECTOR_TIMESTAMP "400000006553f1001dcd6500"
#define VECTOR_COOKIE "c0c1c2c3c4c5c6c7c8c9cacbcccdcecf"
#define VECTOR_COOKIE_NONCE "808182838485868788898a8b8c8d8e8f9091929394959697"

/* Indices, counters, and what the data message carries: bytes that count up from zero. */
#define VECTOR_INITIATOR_INDEX UINT32_C(0x01020304)
#define VECTOR_RESPONDER_INDEX UINT32_C(0xf1f2f3f4)
#define VECTOR_DATA_COUNTER UINT64_C(0x0102030405060708)
enum { VECTOR_DATA_SIZE = 32 };

static const struct noise_vector {
    const char *name;
    const char *psk;
    const char *initiation;      /* with mac1, and mac2 zero */
    const char *initiation_mac2; /* of the same message, once the cookie is known */
    const char *response;        /* likewise */
    const char *response_mac2;
    const char *of_initiator; /* key of what the initiator sends */
    const char *of_responder;
    const char *cookie_reply; /* to the initiation */
    const char *data;         /* from the initiator */
    const char *keepalive;    /* from the responder, its counter 0 */
} noise_vectors[] = {
    {
        .name = "no pre-shared key",
        .psk = "0000000000000000000000000000000000000000000000000000000000000000",
        .initiation = "01000000"
                      "04030201"
                      "358072d6365880d1aeea329adf9121383851ed21a28e3b75e965d0d2cd166254"
                      "c4d95d121b13f6ff24fe1e983a4c71ae6c55e2763a0d1de7643d6725687b49e7"
                      "a55fea10050d69b8b69a79893d649b33"
                      "9434a506fe73969dea7d86c42c17ff5674abaad37f61dc6c7592405a"
                      "bbb0a8d0f83c3238728a2b9a3c181927"
                      "00000000000000000000000000000000",
        .initiation_mac2 = "74c1b67207a3ca467fb05306e225900d",
        .response = "02000000"
                    "f4f3f2f1"
                    "04030201"
                    "736845d54e87de09d6bb114aa7042c50a4a015bd9901d1a0026f5956533a1519"
                    "8235af4f854711647a6f33f556442334"
                    "5c6e0eca1495d3901a0fe3f35f49be81"
                    "00000000000000000000000000000000",
        .response_mac2 = "1798160614837f78f605fc2fc466d7d3",
        .of_initiator = "93c5efab98e70054ee23f5ebade873b4a91187528409d59947ac36bfe9354f59",
        .of_responder = "5f657e221f362064e5c94d05f509dd0493151c83b2da50ad646837b7368d1895",
        .cookie_reply = "03000000"
                        "04030201"
                        "808182838485868788898a8b8c8d8e8f9091929394959697"
                        "eab03bf3775db424e1573ca33906bea0e5af3178d51c1994b9fe129ae8eef7f1",
        .data = "04000000"
                "f4f3f2f1"
                "0807060504030201"
                "814f10458b69cec4df02a54958a8f619e762fcd8033775e3b91a7dc20a48fa73"
                "3f8e2e4fb53553591505b97cdb608d02",
        .keepalive = "04000000"
                     "04030201"
                     "0000000000000000"
                     "03e34fc5deb3801a31855a63f7c1a9d8",
    },
    {
        .name = "a pre-shared key",
        .psk = "606162636465666768696a6b6c6d6e6f707172737475767778797a7b7c7d7e7f",
        .initiation = "01000000"
                      "04030201"
                      "358072d6365880d1aeea329adf9121383851ed21a28e3b75e965d0d2cd166254"
                      "c4d95d121b13f6ff24fe1e983a4c71ae6c55e2763a0d1de7643d6725687b49e7"
                      "a55fea10050d69b8b69a79893d649b33"
                      "9434a506fe73969dea7d86c42c17ff5674abaad37f61dc6c7592405a"
                      "bbb0a8d0f83c3238728a2b9a3c181927"
                      "00000000000000000000000000000000",
        .initiation_mac2 = "74c1b67207a3ca467fb05306e225900d",
        .response = "02000000"
                    "f4f3f2f1"
                    "04030201"
                    "736845d54e87de09d6bb114aa7042c50a4a015bd9901d1a0026f5956533a1519"
                    "f5d540b6a2b7bd3674d00e536b40935c"
                    "3fda90c66b0244880583e0ec84164bfc"
                    "00000000000000000000000000000000",
        .response_mac2 = "a53388a0c84fa78c38ecebe49ee68634",
        .of_initiator = "fe093ddc950b5563a89049a2376f28e24719d91e3384e3a9f01eae693216f454",
        .of_responder = "a8e8aad2f4c2c9e1f0616f426e39d28e195a26aa7f75ce9519e61a34bc56852a",
        .cookie_reply = "03000000"
                        "04030201"
                        "808182838485868788898a8b8c8d8e8f9091929394959697"
                        "eab03bf3775db424e1573ca33906bea0e5af3178d51c1994b9fe129ae8eef7f1",
        .data = "04000000"
                "f4f3f2f1"
                "0807060504030201"
                "ee2bc0743d8e38d0a3aa155bab4a640aad9671608f7f91e3f84263c597db512f"
                "bf9dc43062a268ca66ddb0e45df200bf",
        .keepalive = "04000000"
                     "04030201"
                     "0000000000000000"
                     "43110f7777b1b3f969ef4e43b58bf262",
    },
};

#endif
