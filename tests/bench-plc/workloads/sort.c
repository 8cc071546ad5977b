// SPDX-License-Identifier: Apache-2.0
#include "scan.h"

#include <inttypes.h>
#include <stdio.h>

enum { LENGTH = 200 };

static int16_t a[LENGTH];
static int32_t sum;

void scan(int64_t now_ns) {
    (void)now_ns;
    int16_t seed = 1;
    for (int i = 0; i < LENGTH; i++) {
        seed = (int16_t)(seed * 25173 + 13849);
        a[i] = seed;
    }
    for (int i = LENGTH - 1; i >= 1; i--)
        for (int j = 0; j < i; j++)
            if (a[j] > a[j + 1]) {
                int16_t swap = a[j];
                a[j] = a[j + 1];
                a[j + 1] = swap;
            }
    sum = 0;
    for (int i = 0; i < LENGTH; i++)
        sum += a[i] * (i + 1);
}

void print_values(void) {
    printf("\"Main.sum\":%" PRId32 ",\"Main.first\":%" PRId16 ",\"Main.last\":%" PRId16, sum, a[0], a[LENGTH - 1]);
}
