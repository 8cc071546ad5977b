// SPDX-License-Identifier: Apache-2.0
#include "scan.h"

#include <math.h>
#include <stdio.h>

static double acc;

void scan(int64_t now_ns) {
    (void)now_ns;
    acc = 0.0;
    for (int32_t i = 1; i <= 10000; i++) {
        double x = (double)i;
        acc = acc + sin(x * 0.001) * sqrt(x);
    }
}

void print_values(void) {
    printf("\"Main.acc\":%.17g", acc);
}
