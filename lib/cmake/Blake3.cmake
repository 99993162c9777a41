# The BLAKE3 C implementation comes with Debian's librust-blake3-dev as source. It is compiled from where
# it is installed, after its version was read and a known answer computed with it.
file(GLOB BLAKE3_CANDIDATES /usr/share/cargo/registry/blake3-*/c)
list(SORT BLAKE3_CANDIDATES COMPARE NATURAL ORDER DESCENDING)
list(POP_FRONT BLAKE3_CANDIDATES BLAKE3_FOUND_DIR)
set(BLAKE3_DIR "${BLAKE3_FOUND_DIR}" CACHE PATH "Directory of blake3.c (Debian: librust-blake3-dev)")
if(NOT EXISTS "${BLAKE3_DIR}/blake3_impl.h")
  message(FATAL_ERROR "BLAKE3's C sources were not found: apt-get install librust-blake3-dev, "
                      "or set BLAKE3_DIR to the directory that holds blake3.c")
endif()
file(STRINGS "${BLAKE3_DIR}/blake3.h" BLAKE3_VERSION_LINE REGEX "BLAKE3_VERSION_STRING")
string(REGEX MATCH "[0-9]+\\.[0-9]+\\.[0-9]+" BLAKE3_VERSION "${BLAKE3_VERSION_LINE}")
if(BLAKE3_VERSION VERSION_LESS 1.3 OR BLAKE3_VERSION VERSION_GREATER_EQUAL 2.0)
  message(FATAL_ERROR "BLAKE3 ${BLAKE3_VERSION} in ${BLAKE3_DIR}: blobd knows the internals of 1.x from 1.3")
endif()

set(BLAKE3_SOURCES ${BLAKE3_DIR}/blake3.c ${BLAKE3_DIR}/blake3_dispatch.c ${BLAKE3_DIR}/blake3_portable.c)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|amd64")
  foreach(simd sse2 sse41 avx2 avx512)
    list(APPEND BLAKE3_SOURCES ${BLAKE3_DIR}/blake3_${simd}_x86-64_unix.S)
  endforeach()
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "aarch64")
  list(APPEND BLAKE3_SOURCES ${BLAKE3_DIR}/blake3_neon.c)
endif()
add_library(blake3_c STATIC ${BLAKE3_SOURCES})
target_include_directories(blake3_c SYSTEM PUBLIC ${BLAKE3_DIR})
# The hash is the hot loop of every build, also of debug builds.
target_compile_options(blake3_c PRIVATE -O3)

# Compiled and run once, when the build is configured: a miscompiled or foreign hash must never get further.
if(NOT DEFINED BLAKE3_KNOWN_ANSWER)
  try_run(BLAKE3_KNOWN_ANSWER BLAKE3_KNOWN_ANSWER_COMPILED ${CMAKE_BINARY_DIR}/blake3_check
    SOURCES ${CMAKE_CURRENT_LIST_DIR}/blake3_known_answer.c ${BLAKE3_SOURCES}
    CMAKE_FLAGS "-DINCLUDE_DIRECTORIES=${BLAKE3_DIR}"
    COMPILE_OUTPUT_VARIABLE BLAKE3_COMPILE_OUTPUT)
  if(NOT BLAKE3_KNOWN_ANSWER_COMPILED)
    message(FATAL_ERROR "BLAKE3 in ${BLAKE3_DIR} does not compile:\n${BLAKE3_COMPILE_OUTPUT}")
  endif()
endif()
if(NOT BLAKE3_KNOWN_ANSWER EQUAL 0)
  message(FATAL_ERROR "BLAKE3 ${BLAKE3_VERSION} in ${BLAKE3_DIR} gives wrong hashes on this machine")
endif()
