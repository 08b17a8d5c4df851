/*
 * The drivers (drivers/), which the build makes into bytes.
 */
#ifndef ADK_RUNTIME_DRIVERS_H
#define ADK_RUNTIME_DRIVERS_H

#include "runtime/manifest.h"

extern const adk__driver adk__driver_python;
extern const adk__driver adk__driver_javascript;
extern const adk__driver adk__driver_science;

#endif
