# Scripts as bytes in a C file: cmake -DOUTPUT=file.c -DSOURCES="a.py;b.js" -P AdkDrivers.cmake
# A script NAME.ending becomes adk__driver_NAME.

set(text "/* Made by cmake/AdkDrivers.cmake from the scripts in src/runtime/drivers. */\n#include \"runtime/drivers.h\"\n")
foreach(source IN LISTS SOURCES)
    cmake_path(GET source STEM name)
    file(READ ${source} bytes HEX)
    string(REGEX REPLACE "(................................)" "\\1\n" bytes "${bytes}")
    string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${bytes}")
    string(APPEND text "\nstatic const uint8_t ${name}[] = {\n${bytes}};\n")
    string(APPEND text "const adk__driver adk__driver_${name} = {${name}, sizeof(${name})};\n")
endforeach()
file(WRITE ${OUTPUT} "${text}")
