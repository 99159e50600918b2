/* Wake-on-LAN: the address as people write it, the packet as the card wants it. */
#include <check.h>
#include <string.h>

#include "guacd/session/wake.h"
#include "tests/unit/unit.h"

START_TEST(addresses) {
    static const struct {
        const char *text;
        bool good;
    } rows[] = {
        { "00:11:22:aa:BB:ff", true },
        { "00-11-22-aa-bb-ff", true },
        { "", false },
        { "00:11:22:aa:bb", false },
        { "00:11:22:aa:bb:f", false },
        { "00:11:22:aa:bb:fff", false },
        { "00:11-22:aa:bb:ff", false },
        { "001:1:22:aa:bb:ff", false },
        { "00:11:22:aa:bb:gg", false },
        { "-0:11:22:aa:bb:ff", false },
        { "00a11a22aaaabbaff", false },
        { " 00:11:22:aa:bb:f", false },
        { "00:11:22:aa:bb:ff ", false },
        { ":::::::::::::::::", false },
    };
    const uint8_t expected[6] = { 0x00, 0x11, 0x22, 0xAA, 0xBB, 0xFF };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        uint8_t mac[6] = { 0 };
        ck_assert_msg((wake_mac(rows[i].text, mac) == 0) == rows[i].good, "'%s'", rows[i].text);
        if (rows[i].good)
            ck_assert_mem_eq(mac, expected, 6);
    }
}
END_TEST

START_TEST(packet) {
    const uint8_t mac[6] = { 1, 2, 3, 4, 5, 6 };
    uint8_t out[WAKE_PACKET];
    wake_packet(mac, out);
    for (size_t i = 0; i < 6; i++)
        ck_assert_uint_eq(out[i], 0xFF);
    for (size_t i = 6; i < WAKE_PACKET; i++)
        ck_assert_uint_eq(out[i], i % 6 + 1);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("wake");
    TCase *t = tcase_create("all");
    tcase_add_test(t, addresses);
    tcase_add_test(t, packet);
    suite_add_tcase(s, t);
    return s;
}
UNIT_MAIN(suite)
