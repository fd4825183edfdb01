/* Dates of HTTP, without the C library's strftime, which knows locales. */
#ifndef SKITAI_HTTPDATE_H
#define SKITAI_HTTPDATE_H

#include <stdint.h>
#include <string.h>
#include <time.h>

enum { SK_DATE_SIZE = 29 }; /* "Sun, 06 Nov 1994 08:49:37 GMT" */

/* RFC 9110 section 5.6.7. */
static inline void sk_write_date(char date[SK_DATE_SIZE + 1], time_t when) {
    static const char days[] = "ThuFriSatSunMonTueWed", months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    int64_t day = when / 86400, second = when % 86400;
    /* Days from 0000-03-01, in eras of 400 years: a year that begins in March has its odd day last. */
    int64_t shifted = day + 719468, era = shifted / 146097, of_era = shifted % 146097;
    int64_t year_of_era = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t shifted_month = (5 * of_year + 2) / 153;
    int month_day = (int)(of_year - (153 * shifted_month + 2) / 5 + 1);
    int month = (int)(shifted_month < 10 ? shifted_month + 2 : shifted_month - 10);
    int year = (int)(year_of_era + era * 400 + (month < 2)) % 10000;
    const int numbers[][2] = {{5, month_day}, {12, year / 100}, {14, year % 100},
        {17, (int)(second / 3600)}, {20, (int)(second / 60 % 60)}, {23, (int)(second % 60)}};
    memcpy(date, "Thu, 01 Jan 1970 00:00:00 GMT", SK_DATE_SIZE + 1);
    memcpy(date, days + day % 7 * 3, 3);
    memcpy(date + 8, months + month * 3, 3);
    for (size_t index = 0; index < sizeof numbers / sizeof *numbers; index++) {
        date[numbers[index][0]] = (char)('0' + numbers[index][1] / 10);
        date[numbers[index][0] + 1] = (char)('0' + numbers[index][1] % 10);
    }
}

#endif
