/* Compiler attributes the whole house uses. */
#ifndef BRIDGE_BASE_ATTRIBUTES_H
#define BRIDGE_BASE_ATTRIBUTES_H

/* The caller must look at the result: ignoring it would lose an error. */
#define MUST_CHECK __attribute__((warn_unused_result))

/* printf-like function: `fmt` is the 1-based place of the format, `args` that of the first value.
 */
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))

#define UNUSED __attribute__((unused))

#define ARRAY_LENGTH(a) (sizeof(a) / sizeof((a)[0]))

#endif
