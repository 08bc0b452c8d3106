/* Loops compiled twice, for any processor and for AVX2, where swapping bytes is one instruction for 32 of them; which
 * one runs is asked at run time. Knows no format.
 */
#ifndef MLAAS_ROOTIO_VALUE_FAST_H
#define MLAAS_ROOTIO_VALUE_FAST_H

/* MLAAS_FAST(type, name, (parameters), (arguments), { body }) defines a static function. */
#if defined(__x86_64__) && defined(__GNUC__)
#define MLAAS_FAST(type, name, parameters, arguments, ...)                                                             \
  static inline __attribute__((always_inline)) type name##_body parameters __VA_ARGS__ static                          \
      __attribute__((target("avx2"))) type name##_avx2 parameters {                                                    \
    return name##_body arguments;                                                                                      \
  }                                                                                                                    \
  static type name##_plain parameters { return name##_body arguments; }                                                \
  static type name parameters {                                                                                        \
    return __builtin_cpu_supports("avx2") ? name##_avx2 arguments : name##_plain arguments;                            \
  }
#else
#define MLAAS_FAST(type, name, parameters, arguments, ...) static type name parameters __VA_ARGS__
#endif

#endif
