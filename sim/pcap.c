/* Captures through libpcap. */
#include "sim/pcap.h"

#include <pcap/pcap.h>
#include <stdlib.h>

#include "core/base/check.h"
#include "sim/wire.h"

#define NS_PER_SECOND UINT64_C(1000000000)

struct pcap_file {
    pcap_t *handle;
    pcap_dumper_t *dumper;
    uint8_t bytes[WIRE_MAX];
};

struct pcap_file *pcap_file_open(const char *path)
{
    struct pcap_file *file = malloc(sizeof *file);
    check(file != NULL);
    file->handle =
        pcap_open_dead_with_tstamp_precision(DLT_RAW, WIRE_MAX, PCAP_TSTAMP_PRECISION_NANO);
    check(file->handle != NULL);
    file->dumper = pcap_dump_open(file->handle, path);
    if (file->dumper == NULL) {
        pcap_close(file->handle);
        free(file);
        return NULL;
    }
    return file;
}

void pcap_file_write(struct pcap_file *file, uint64_t now_ns, const struct packet *packet)
{
    size_t size = wire_write(packet, file->bytes);
    struct pcap_pkthdr header = {.caplen = (uint32_t)size, .len = (uint32_t)size};
    /* With PCAP_TSTAMP_PRECISION_NANO, libpcap keeps nanoseconds in the field of microseconds. */
    header.ts.tv_sec = (time_t)(now_ns / NS_PER_SECOND);
    header.ts.tv_usec = (suseconds_t)(now_ns % NS_PER_SECOND);
    pcap_dump((u_char *)file->dumper, &header, file->bytes);
}

void pcap_file_close(struct pcap_file *file)
{
    check(file != NULL);
    pcap_dump_close(file->dumper);
    pcap_close(file->handle);
    free(file);
}
