/* Mathematics: special values, and results to the last bits; after the subjects of musl's libc-test. */
#include <errno.h>
#include <fenv.h>
#include <float.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "check.h"

/* Distance in units of the last place. */
static int64_t distance(double left, double right)
{
    int64_t a, b;

    memcpy(&a, &left, sizeof a);
    memcpy(&b, &right, sizeof b);
    return a > b ? a - b : b - a;
}

#define CLOSE(got, expected) CHECK(distance(got, expected) <= 1)
#define SAME(got, expected) CHECK(distance(got, expected) == 0)

static volatile double zero = 0.0, one = 1.0, half = 0.5, big = 1e300; /* not known when this is compiled */

static void check_values(void)
{
    CLOSE(sin(one), 0x1.aed548f090ceep-1);
    CLOSE(cos(one), 0x1.14a280fb5068cp-1);
    CLOSE(tan(one), 0x1.8eb245cbee3a6p+0);
    CLOSE(sin(big), -0x1.a2c16b010e385p-1);
    CLOSE(exp(one), M_E);
    CLOSE(log(one + one), M_LN2);
    CLOSE(log10(big), 300);
    CLOSE(log2(one * 8), 3);
    CLOSE(pow(one + one, half), M_SQRT2);
    CLOSE(cbrt(one * 27), 3);
    CLOSE(atan2(one, one), M_PI_4);
    CLOSE(atan2(-zero, -one), -M_PI);
    CLOSE(asin(one), M_PI_2);
    CLOSE(acos(half), 0x1.0c152382d7366p+0);
    CLOSE(sinh(one), 0x1.2cd9fc44eb982p+0);
    CLOSE(tanh(half), 0x1.d9353d7568af3p-2);
    CLOSE(expm1(one / 1e10), 0x1.b7cdfd9dda4e3p-34);
    CLOSE(log1p(one / 1e10), 0x1.b7cdfd9d1d693p-34);
    CLOSE(tgamma(one * 5), 24);
    CLOSE(erf(half), 0x1.0a7ef5c18edd2p-1);
    CLOSE(hypot(3 * one, 4 * one), 5);
}

static void check_special(void)
{
    int exponent;
    double whole;

    CHECK(isinf(one / zero) && isnan(zero / zero) && signbit(-zero) && !signbit(zero) && isnan(sqrt(-one)) && isinf(log(zero)));
    CHECK(isnan(sin(INFINITY)) && exp(-INFINITY) == 0 && isinf(exp(1000 * one)) && pow(zero, zero) == 1 && isnan(pow(-one, half)));
    CHECK(fpclassify(DBL_MIN / 2) == FP_SUBNORMAL && fpclassify(zero) == FP_ZERO && fpclassify(one) == FP_NORMAL);
    SAME(sqrt(2 * one), M_SQRT2);
    SAME(fma(one + DBL_EPSILON, one - DBL_EPSILON, -one), -DBL_EPSILON * DBL_EPSILON);
    SAME(fmod(-7.5 * one, 2), -1.5);
    SAME(remainder(7.5 * one, 2), -0.5);
    SAME(nextafter(one, 2), 1 + DBL_EPSILON);
    SAME(ldexp(half, 3), 4);
    SAME(frexp(-6 * one, &exponent), -0.75);
    CHECK(exponent == 3 && modf(-2.5 * one, &whole) == -0.5 && whole == -2 && ilogb(8 * one) == 3 && logb(half) == -1);
    CHECK(floor(-half) == -1 && ceil(-half) == 0 && trunc(-1.5 * one) == -1 && round(2.5 * one) == 3 && rint(2.5 * one) == 2);
    CHECK(lround(-2.5 * one) == -3 && llrint(1e15 * one) == 1000000000000000 && fmax(one, NAN) == 1 && fmin(-zero, zero) == 0);
    CHECK(copysign(one, -zero) == -1 && scalbn(one, -1074) == 0x1p-1074 && scalbn(one, 2000) == INFINITY);
}

static void check_floats(void)
{
    volatile float small = 0.1f;

    CHECK(sinf(small) == 0x1.98eaeep-4f && expf(small) == 0x1.1aec7cp+0f && sqrtf(small) == 0x1.43d136p-2f && powf(2, 10) == 1024);
    CHECK(sqrtl(2.0L * one) == 1.41421356237309504880L && fabsl(-1.0L) == 1 && floorl(-0.5L * one) == -1);
}

static void check_rounding(void)
{
    fesetround(FE_UPWARD);
    CHECK(one / 3 > 0x1.5555555555555p-2 && rint(one + 1e-9) == 2);
    fesetround(FE_DOWNWARD);
    CHECK(one / 3 == 0x1.5555555555555p-2 && rint(one - 1e-9) == 0);
    fesetround(FE_TONEAREST);
    feclearexcept(FE_ALL_EXCEPT);
    CHECK(isinf(one / zero) && fetestexcept(FE_DIVBYZERO) && !fetestexcept(FE_INVALID));
    feclearexcept(FE_ALL_EXCEPT);
}

void check_mathematics(void)
{
    check_values();
    check_special();
    check_floats();
    check_rounding();
}
