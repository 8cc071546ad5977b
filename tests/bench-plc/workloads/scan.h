// SPDX-License-Identifier: Apache-2.0
// What a reference program consists of. It is a translation unit of its own, so that the compiler cannot merge scans.
#ifndef SCAN_H
#define SCAN_H

#include <stdint.h>

// One scan at this virtual time.
void scan(int64_t now_ns);

// Prints the variables at the end: "Main.x":1,"Main.y":2
void print_values(void);

#endif
