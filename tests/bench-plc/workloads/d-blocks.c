// SPDX-License-Identifier: Apache-2.0
#include "scan.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>

enum { BLOCKS = 200 };

struct r_trig {
    bool clk, q, m;
};

struct ctu {
    bool cu, r, q, last;
    int16_t pv, cv;
};

struct ton {
    bool in, q, running;
    int64_t pt, et, start;
};

static bool clk;
static int16_t n, m;
static struct r_trig trg[BLOCKS];
static struct ctu ctu[BLOCKS];
static struct ton ton[BLOCKS];

static void call_r_trig(struct r_trig *it) {
    it->q = it->clk && !it->m;
    it->m = it->clk;
}

static void call_ctu(struct ctu *it) {
    bool rises = it->cu && !it->last;
    it->last = it->cu;
    if (it->r)
        it->cv = 0;
    else if (rises && it->cv < INT16_MAX)
        it->cv++;
    it->q = it->cv >= it->pv;
}

static void call_ton(struct ton *it, int64_t now_ns) {
    if (!it->in) {
        it->q = false;
        it->running = false;
        it->et = 0;
        return;
    }
    if (!it->running) {
        it->running = true;
        it->start = now_ns;
    }
    int64_t pt = it->pt > 0 ? it->pt : 0;
    int64_t passed = now_ns - it->start;
    it->q = passed >= pt;
    it->et = passed < pt ? passed : pt;
}

void scan(int64_t now_ns) {
    clk = !clk;
    n = 0;
    m = 0;
    for (int k = 0; k < BLOCKS; k++) {
        trg[k].clk = clk;
        call_r_trig(&trg[k]);
        ctu[k].cu = trg[k].q;
        ctu[k].r = false;
        ctu[k].pv = 1000;
        call_ctu(&ctu[k]);
        ton[k].in = !ctu[k].q;
        ton[k].pt = 100000000;
        call_ton(&ton[k], now_ns);
        if (ton[k].q)
            n++;
        if (ctu[k].q)
            m++;
    }
}

void print_values(void) {
    printf("\"Main.n\":%" PRId16 ",\"Main.m\":%" PRId16, n, m);
}
