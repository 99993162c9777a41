# Flags that all of our own code is built with. Generated code does not link this target.
add_library(blobd_flags INTERFACE)
target_compile_options(blobd_flags INTERFACE
  -Wall -Wextra -Wshadow -Wconversion -Wnon-virtual-dtor -Wswitch-enum -Werror
  $<$<CXX_COMPILER_ID:Clang>:-Wthread-safety>)
target_include_directories(blobd_flags INTERFACE ${PROJECT_SOURCE_DIR}/lib)

# Programs are loaded at another address each time: a bit for each relocation instead of 24 bytes, half a MiB of the
# daemon's memory. Both the linker and the C library have to know of it (binutils 2.38, glibc 2.36).
include(CheckCXXSourceRuns)
set(CMAKE_REQUIRED_LINK_OPTIONS -pie -Wl,-z,pack-relative-relocs)
check_cxx_source_runs("int main() {}" BLOBD_PACKS_RELOCATIONS)
unset(CMAKE_REQUIRED_LINK_OPTIONS)
if(BLOBD_PACKS_RELOCATIONS AND NOT BLOBD_SANITIZE AND NOT BLOBD_FUZZ)
  add_link_options(-Wl,-z,pack-relative-relocs)
endif()

# Sanitizers and frame pointers go on everything that is linked together.
if(BLOBD_SANITIZE)
  add_compile_options(-fsanitize=${BLOBD_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${BLOBD_SANITIZE})
  # These programs are large, and the tests link and start them often: at a fixed address millions of relocations of what
  # the address sanitizer knows need not be made at each start.
  if(BLOBD_SANITIZE MATCHES address)
    add_link_options($<$<STREQUAL:$<TARGET_PROPERTY:TYPE>,EXECUTABLE>:-no-pie>)
  endif()
  find_program(MOLD mold)
  if(MOLD)
    add_link_options(-fuse-ld=mold)
  endif()
endif()
if(BLOBD_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all)
  add_link_options(-fsanitize=address,undefined)
endif()

# blobd_room(NAME SOURCES a.cc ... DEPS blobd::base ... [TESTS a_test.cc ...] [TEST_DEPS ...])
# One target per room, blobd::NAME, and one test program blobd_NAME_test with its unit tests.
function(blobd_room name)
  cmake_parse_arguments(ROOM "" "" "SOURCES;DEPS;TESTS;TEST_DEPS" ${ARGN})
  add_library(blobd_${name} STATIC ${ROOM_SOURCES})
  add_library(blobd::${name} ALIAS blobd_${name})
  target_link_libraries(blobd_${name} PUBLIC ${ROOM_DEPS} PRIVATE blobd_flags)
  target_include_directories(blobd_${name} PUBLIC ${PROJECT_SOURCE_DIR}/lib)
  if(ROOM_TESTS AND NOT BLOBD_FUZZ)
    blobd_test(blobd_${name}_test SOURCES ${ROOM_TESTS} DEPS blobd::${name} ${ROOM_TEST_DEPS})
  endif()
endfunction()

# blobd_test(NAME SOURCES ... DEPS ... [LABEL unit]): a GoogleTest program, one ctest entry.
function(blobd_test name)
  if(NOT BUILD_TESTING)
    return()
  endif()
  cmake_parse_arguments(TEST "" "LABEL" "SOURCES;DEPS" ${ARGN})
  if(NOT TEST_LABEL)
    set(TEST_LABEL unit)
  endif()
  add_executable(${name} ${TEST_SOURCES})
  target_link_libraries(${name} PRIVATE
    ${TEST_DEPS} blobd_vectors_for_test blobd_flags GTest::gtest GTest::gmock GTest::gtest_main)
  add_test(NAME ${name} COMMAND ${name})
  set_tests_properties(${name} PROPERTIES LABELS ${TEST_LABEL} TIMEOUT 600)
endfunction()

# blobd_fuzz(NAME SOURCES ... DEPS ...): a libFuzzer program, built by the fuzz preset only.
function(blobd_fuzz name)
  if(NOT BLOBD_FUZZ)
    return()
  endif()
  cmake_parse_arguments(FUZZ "" "" "SOURCES;DEPS" ${ARGN})
  add_executable(${name} ${FUZZ_SOURCES})
  target_link_libraries(${name} PRIVATE ${FUZZ_DEPS} blobd_flags)
  target_compile_options(${name} PRIVATE -fsanitize=fuzzer)
  target_link_options(${name} PRIVATE -fsanitize=fuzzer)
  add_test(NAME ${name} COMMAND ${name} -max_total_time=5 -max_len=65536 -timeout=10)
  set_tests_properties(${name} PROPERTIES LABELS fuzz TIMEOUT 120)
endfunction()
