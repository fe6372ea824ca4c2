/* What is written with a unit: rates, durations, bytes, sizes of frames. What is not quite one is refused. */
#include <criterion/criterion.h>

#include "lib/engine/config_schema.h"

#include <errno.h>

Test(config_units, rates)
{
    static const struct {
        const char *text;
        double fps;
    } right[] = {{"flat-out", 0},    {"1", 1},       {"500kpps", 5e5},    {"10mpps", 1e7},
                 {"1.5Mpps", 1.5e6}, {"2gpps", 2e9}, {"0.001pps", 0.001}, {"1000gpps", 1e12}};
    static const char *const wrong[] = {"",
                                        "kpps",
                                        "-1",
                                        "+1",
                                        "0",
                                        "1e6",
                                        "0x10",
                                        "inf",
                                        "nan",
                                        "1 mpps",
                                        "1.mpps",
                                        ".5",
                                        "1..5",
                                        "10mbps",
                                        "1001gpps",
                                        "0.0001",
                                        "999999999999999999999999999999999999999999999999999999"};
    for (size_t i = 0; i < sizeof right / sizeof *right; i++) {
        double fps = -1;
        cr_expect(mr_parse_rate(right[i].text, &fps) == 0 && fps == right[i].fps, "%s: %f", right[i].text, fps);
    }
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        double fps = -1;
        cr_expect(mr_parse_rate(wrong[i], &fps) == -EINVAL && fps == -1, "%s", wrong[i]);
    }
}

Test(config_units, durations)
{
    static const struct {
        const char *text;
        uint64_t ns;
    } right[] = {{"10", 10000000000u}, {"10s", 10000000000u},   {"250ms", 250000000},   {"1.5us", 1500},
                 {"7ns", 7},           {"2min", 120000000000u}, {"1h", 3600000000000u}, {"0", 0}};
    static const char *const wrong[] = {"",         "s", "-1s", "10 s", "10m", "1d", "1e3", "nan", "99999999999999s",
                                        "10000000h"};
    for (size_t i = 0; i < sizeof right / sizeof *right; i++) {
        uint64_t ns = 1;
        cr_expect(mr_parse_duration(right[i].text, &ns) == 0 && ns == right[i].ns, "%s: %lu", right[i].text, ns);
    }
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        uint64_t ns = 1;
        cr_expect(mr_parse_duration(wrong[i], &ns) == -EINVAL && ns == 1, "%s", wrong[i]);
    }
}

Test(config_units, bytes)
{
    uint64_t bytes = 0;
    cr_expect(mr_parse_bytes("65536", &bytes) == 0 && bytes == 65536);
    cr_expect(mr_parse_bytes("64B", &bytes) == 0 && bytes == 64);
    cr_expect(mr_parse_bytes("64KiB", &bytes) == 0 && bytes == 65536);
    cr_expect(mr_parse_bytes("4mib", &bytes) == 0 && bytes == 4u << 20);
    cr_expect(mr_parse_bytes("17179869183GiB", &bytes) == 0 && bytes == UINT64_MAX - (1u << 30) + 1);
    cr_expect(mr_parse_bytes("17179869184GiB", &bytes) == -ERANGE);
    cr_expect(mr_parse_bytes("18446744073709551616", &bytes) == -ERANGE);
    static const char *const wrong[] = {"", "MiB", "-1", "1.5MiB", "4MB", "4 MiB", "0x10", "4MiBs"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        cr_expect(mr_parse_bytes(wrong[i], &bytes) == -EINVAL, "%s", wrong[i]);
    }
}

Test(config_units, sizes)
{
    static const char *const wrong[] = {"",
                                        "63",
                                        "65536",
                                        "64..",
                                        "..64",
                                        "1518..64",
                                        "64..63",
                                        "64,128",
                                        "IMIX",
                                        "-64",
                                        "64x",
                                        "99999999999999999999999",
                                        "64..1518..2000",
                                        " 64"};
    struct mr_sizes s;
    cr_assert_eq(mr_parse_sizes("64", &s), 0);
    cr_expect(s.n == 1 && !s.ranged && s.bytes[0] == 60);
    cr_assert_eq(mr_parse_sizes("64..1518", &s), 0);
    cr_expect(s.n == 2 && s.ranged && s.bytes[0] == 60 && s.bytes[1] == 1514);
    cr_assert_eq(mr_parse_sizes("128..128", &s), 0);
    cr_expect(s.n == 1 && !s.ranged && s.bytes[0] == 124);
    cr_assert_eq(mr_parse_sizes("imix", &s), 0);
    cr_expect(s.n == 3 && s.weights[0] == 7 && s.bytes[1] == 590 && s.weights[2] == 1);
    cr_assert_eq(mr_parse_sizes("65535", &s), 0);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        cr_expect(mr_parse_sizes(wrong[i], &s) == -EINVAL, "%s", wrong[i]);
    }
}
