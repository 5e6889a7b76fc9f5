#include "scene/json_number.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#define WHOLE_MAX 9007199254740992.0 /* 2^53 */
#define FRACTION_MIN 1e-6            /* below it ECMAScript writes an exponent */
#define DIGITS_MAX 15u
#define MANTISSA_BITS 52
#define DECIMALS 9u /* of the third kind */
#define EIGHT_DIGITS 100000000u

static const uint64_t POWERS_OF_TEN[DIGITS_MAX + 1] = {1,
                                                       10,
                                                       100,
                                                       1000,
                                                       10000,
                                                       100000,
                                                       1000000,
                                                       10000000,
                                                       100000000,
                                                       1000000000,
                                                       10000000000,
                                                       100000000000,
                                                       1000000000000,
                                                       10000000000000,
                                                       100000000000000,
                                                       1000000000000000};

static const uint64_t POWERS_OF_FIVE[DIGITS_MAX + 1] = {
    1,      5,       25,      125,      625,       3125,       15625,      78125,
    390625, 1953125, 9765625, 48828125, 244140625, 1220703125, 6103515625, 30517578125};

static const char PAIRS[] = "00010203040506070809"
                            "10111213141516171819"
                            "20212223242526272829"
                            "30313233343536373839"
                            "40414243444546474849"
                            "50515253545556575859"
                            "60616263646566676869"
                            "70717273747576777879"
                            "80818283848586878889"
                            "90919293949596979899";

static void put_pair(char *at, uint32_t number)
{
    memcpy(at, PAIRS + (size_t)number * 2, 2);
}

/* Eight digits, with zeros in front, of a number below 10^8. */
static void put_eight(char *at, uint32_t number)
{
    uint32_t high = number / 10000;
    uint32_t low = number % 10000;
    put_pair(at, high / 100);
    put_pair(at + 2, high % 100);
    put_pair(at + 4, low / 100);
    put_pair(at + 6, low % 100);
}

/* Exactly `count` digits, 1 .. 16, with zeros in front. */
static void put_digits(char *at, uint64_t number, size_t count)
{
    char digits[16];
    put_eight(digits + 8, (uint32_t)(number % EIGHT_DIGITS));
    if (count > 8) {
        put_eight(digits, (uint32_t)(number / EIGHT_DIGITS));
    }
    memcpy(at, digits + sizeof digits - count, count);
}

static char *put_whole(char *at, uint64_t number)
{
    if (number < 10) {
        *at = (char)('0' + number);
        return at + 1;
    }
    size_t count = 2;
    while (count <= DIGITS_MAX && number >= POWERS_OF_TEN[count]) {
        count++;
    }
    put_digits(at, number, count);
    return at + count;
}

static size_t put_decimal(char *text, char *at, uint64_t whole, uint64_t fraction,
                          size_t digits)
{
    at = put_whole(at, whole);
    *at++ = '.';
    put_digits(at, fraction, digits);
    return (size_t)(at - text) + digits;
}

size_t scene_json_number_short(double number, char text[SCENE_JSON_NUMBER_SIZE])
{
    char *at = text;
    double magnitude = fabs(number);
    if (number < 0) {
        *at++ = '-';
    }
    if (!(magnitude <= WHOLE_MAX)) {
        return 0;
    }
    uint64_t whole = (uint64_t)magnitude;
    if ((double)whole == magnitude) {
        return (size_t)(put_whole(at, whole) - text);
    }
    if (magnitude < FRACTION_MIN) {
        return 0;
    }
    uint64_t bits;
    memcpy(&bits, &magnitude, sizeof bits);
    /* magnitude = mantissa / 2^places, after which the last bit is 1 */
    uint64_t mantissa =
        (bits & ((UINT64_C(1) << MANTISSA_BITS) - 1)) | UINT64_C(1) << MANTISSA_BITS;
    unsigned zeros = (unsigned)__builtin_ctzll(mantissa);
    unsigned places = MANTISSA_BITS + 1023 - (unsigned)(bits >> MANTISSA_BITS) - zeros;
    if (places <= DIGITS_MAX && whole < POWERS_OF_TEN[DIGITS_MAX - places]) {
        uint64_t fraction = (mantissa >> zeros) & ((UINT64_C(1) << places) - 1);
        return put_decimal(text, at, whole, fraction * POWERS_OF_FIVE[places], places);
    }
    if (whole >= POWERS_OF_TEN[DIGITS_MAX - DECIMALS]) {
        return 0;
    }
    const double scale = (double)POWERS_OF_TEN[DECIMALS];
    uint64_t scaled = (uint64_t)(magnitude * scale + 0.5);
    if ((double)scaled / scale != magnitude) { /* both exact: what a reader would get */
        return 0;
    }
    size_t digits = DECIMALS;
    uint64_t fraction = scaled % POWERS_OF_TEN[DECIMALS];
    while (fraction % 10 == 0) { /* it is not 0: the number is not whole */
        fraction /= 10;
        digits--;
    }
    return put_decimal(text, at, scaled / POWERS_OF_TEN[DECIMALS], fraction, digits);
}
