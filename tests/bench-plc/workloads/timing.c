// SPDX-License-Identifier: Apache-2.0
// usage: PROGRAM SCANS
// Runs a reference program as `lineshaft plc bench --output json` does: virtual time, 1 ms a scan; each scan between
// two readings of the monotonic clock.
#include "scan.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static const int64_t INTERVAL_NS = 1000000;

static int64_t clock_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int ascending(const void *left, const void *right) {
    int64_t a = *(const int64_t *)left, b = *(const int64_t *)right;
    return (a > b) - (a < b);
}

// The smallest time that so many percent of all scans do not exceed.
static int64_t percentile(const int64_t *sorted, long scans, long percent) {
    long rank = (scans * percent + 99) / 100;
    return sorted[rank > 0 ? rank - 1 : 0];
}

int main(int count, char **arguments) {
    long scans = count == 2 ? strtol(arguments[1], NULL, 10) : 0;
    if (scans < 1 || scans > 10000000) {
        fprintf(stderr, "usage: %s SCANS\n", arguments[0]);
        return 2;
    }
    int64_t *times = malloc((size_t)scans * sizeof *times);
    if (times == NULL) {
        fprintf(stderr, "no memory for the times of %ld scans\n", scans);
        return 1;
    }
    for (long number = 0; number < scans; number++) {
        int64_t began = clock_ns();
        scan((number + 1) * INTERVAL_NS);
        times[number] = clock_ns() - began;
    }
    qsort(times, (size_t)scans, sizeof *times, ascending);
    printf("{\"scans\":%ld,\"scan_ns\":{\"min\":%" PRId64 ",\"p50\":%" PRId64 ",\"p99\":%" PRId64 ",\"max\":%" PRId64 "},",
           scans, times[0], percentile(times, scans, 50), percentile(times, scans, 99), times[scans - 1]);
    printf("\"values\":{");
    print_values();
    printf("}}\n");
    free(times);
    return 0;
}
