#ifndef SCENE_JSON_NUMBER_H
#define SCENE_JSON_NUMBER_H

/* The numbers of JSON as text: shortest, as ECMAScript writes them.
 *
 * Most numbers of scenes are short decimals: whole, halves and sixteenths, or what a
 * person typed. A decimal of at most 15 digits is told from all others of at most 15 by
 * the double that it reads as, so if one reads as `number` it is the shortest, and found
 * with whole numbers alone:
 *
 *   whole     up to 2^53
 *   dyadic    m / 2^k: the fraction is f / 2^k = f * 5^k / 10^k, k digits, the last not 0
 *   decimal   n / 10^9 for a whole n below 10^15, less its last zeros
 *
 * What is none of these takes the general way (json.cpp). */

#include <stddef.h>

#define SCENE_JSON_NUMBER_SIZE 32

/* The text of `number`, not terminated; 0: not one of the above, nothing is said. */
size_t scene_json_number_short(double number, char text[SCENE_JSON_NUMBER_SIZE]);

#endif /* SCENE_JSON_NUMBER_H */
