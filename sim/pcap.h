/* Captures in libpcap's format, with nanoseconds, of raw IP packets. The one part of sim/ that
 * writes files. */
#ifndef WARREN_SIM_PCAP_H
#define WARREN_SIM_PCAP_H

#include <stdint.h>

#include "sim/packet.h"

struct pcap_file;

/* NULL when the file cannot be written. */
struct pcap_file *pcap_file_open(const char *path);
void pcap_file_write(struct pcap_file *file, uint64_t now_ns, const struct packet *packet);
void pcap_file_close(struct pcap_file *file);

#endif
