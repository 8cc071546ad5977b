// SPDX-License-Identifier: Apache-2.0
#include "scan.h"

#include <inttypes.h>
#include <stdio.h>

static int32_t s;

void scan(int64_t now_ns) {
    (void)now_ns;
    s = 0;
    for (int32_t i = 1; i <= 100000; i++)
        s = s + (i % 7) * 3;
}

void print_values(void) {
    printf("\"Main.s\":%" PRId32, s);
}
