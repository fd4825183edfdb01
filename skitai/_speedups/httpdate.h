/* Dates of HTTP, without the C library's strftime and strptime, which know locales.  They are read as
 * skitai/_httpdate.py reads them: tests/core/test_conditions.py asks both. */
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

/* The number that `count` digits at `text` are; -1: they are none. */
static inline int sk_read_digits(const char *text, int count) {
    int number = 0;
    for (int place = 0; place < count; place++) {
        if (text[place] < '0' || text[place] > '9')
            return -1;
        number = number * 10 + text[place] - '0';
    }
    return number;
}

/* Which of the `count` names, of three letters each, `text` begins with; -1: none. */
static inline int sk_read_name(const char *text, const char *names, int count) {
    for (int place = 0; place < count; place++)
        if (memcmp(text, names + place * 3, 3) == 0)
            return place;
    return -1;
}

/* "08:49:37" in seconds, -1 if it is none.  A leap second is the one before, for Unix time has none. */
static inline int sk_read_time(const char *text) {
    int hour = sk_read_digits(text, 2), minute = sk_read_digits(text + 3, 2), second = sk_read_digits(text + 6, 2);
    if (hour < 0 || hour > 23 || text[2] != ':' || minute < 0 || minute > 59 || text[5] != ':' || second < 0
        || second > 60)
        return -1;
    return hour * 3600 + minute * 60 + (second == 60 ? 59 : second);
}

/* Days from 1970-01-01; `month` 0 to 11; 0 if there is no such day. */
static inline int sk_read_day(int year, int month, int day, int64_t *days) {
    static const char lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    const int leaps = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    int64_t shifted = year - (month < 2), era = shifted / 400, of_era = shifted % 400; /* as sk_write_date */
    int64_t of_year = (153 * ((month + 10) % 12) + 2) / 5 + day - 1;
    if (year < 1 || month < 0 || day < 1 || day > lengths[month] + (month == 1 && leaps))
        return 0;
    *days = era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
    return 1;
}

/* Seconds since 1970 of any of the three forms, of which a recipient must accept two that are obsolete; 0: it is no
 * HTTP-date.  `this_year`: by which two digits of one are understood. */
static inline int sk_read_date(const char *text, size_t size, int this_year, int64_t *seconds) {
    static const char days[] = "MonTueWedThuFriSatSun", months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    static const char *const rests[] = {"day", "sday", "nesday", "rsday", "day", "urday", "day"};
    int year, month, day, time, name;
    int64_t found;
    if (size < 24 || (name = sk_read_name(text, days, 7)) < 0)
        return 0;
    if (size == SK_DATE_SIZE && memcmp(text + 3, ", ", 2) == 0) { /* Sun, 06 Nov 1994 08:49:37 GMT */
        if (text[7] != ' ' || text[11] != ' ' || text[16] != ' ' || memcmp(text + 25, " GMT", 4))
            return 0;
        day = sk_read_digits(text + 5, 2);
        month = sk_read_name(text + 8, months, 12);
        year = sk_read_digits(text + 12, 4);
        time = sk_read_time(text + 17);
    } else if (size == 24) { /* asctime(): Sun Nov  6 08:49:37 1994 */
        if (text[3] != ' ' || text[7] != ' ' || text[10] != ' ' || text[19] != ' ')
            return 0;
        month = sk_read_name(text + 4, months, 12);
        day = text[8] == ' ' ? sk_read_digits(text + 9, 1) : sk_read_digits(text + 8, 2);
        time = sk_read_time(text + 11);
        year = sk_read_digits(text + 20, 4);
    } else { /* RFC 850: Sunday, 06-Nov-94 08:49:37 GMT */
        const size_t rest = strlen(rests[name]);
        const char *at = text + 3 + rest;
        if (size != 3 + rest + 24 || memcmp(text + 3, rests[name], rest) || memcmp(at, ", ", 2) || at[4] != '-'
            || at[8] != '-' || at[11] != ' ' || memcmp(at + 20, " GMT", 4))
            return 0;
        day = sk_read_digits(at + 2, 2);
        month = sk_read_name(at + 5, months, 12);
        year = sk_read_digits(at + 9, 2);
        time = sk_read_time(at + 12);
        if (year >= 0) { /* the most recent one that ends so, unless it were over 50 years in the future */
            year += this_year - this_year % 100;
            year -= year > this_year + 50 ? 100 : 0;
        }
    }
    if (time < 0 || !sk_read_day(year, month, day, &found))
        return 0;
    *seconds = found * 86400 + time;
    return 1;
}

#endif
