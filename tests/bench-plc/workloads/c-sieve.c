// SPDX-License-Identifier: Apache-2.0
#include "scan.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>

static bool p[10001];
static int32_t primes;

void scan(int64_t now_ns) {
    (void)now_ns;
    for (int32_t i = 2; i <= 10000; i++)
        p[i] = true;
    for (int32_t i = 2; i <= 100; i++)
        if (p[i])
            for (int32_t j = i * i; j <= 10000; j += i)
                p[j] = false;
    primes = 0;
    for (int32_t i = 2; i <= 10000; i++)
        if (p[i])
            primes++;
}

void print_values(void) {
    printf("\"Main.count\":%" PRId32, primes);
}
