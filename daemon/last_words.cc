#include "daemon/last_words.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <new>
#include <system_error>

namespace blobd::daemon {
namespace {

constexpr const char* kNoThread =
    "cannot run: the system gives it no more threads. It needs some dozens: raise TasksMax= of the "
    "unit (systemctl show -p TasksCurrent -p TasksMax blobd), or the user's limit (ulimit -u)";
constexpr const char* kNoMemory =
    "cannot run: the system gives it no more memory. Raise the limit on its address space "
    "(LimitAS= of the unit, ulimit -v)";

int g_exit_code = EXIT_FAILURE;

// What to say if a limit of the machine was met; nullptr if it is something else.
const char* LimitThatWasMet(const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const std::bad_array_new_length&) {
    return nullptr;  // nobody has so much
  } catch (const std::system_error& refused) {
    const bool no_thread = refused.code() == std::errc::resource_unavailable_try_again;
    return no_thread ? kNoThread : nullptr;
  } catch (const std::bad_alloc&) {
    return kNoMemory;
  } catch (...) {
    return nullptr;
  }
}

[[noreturn]] void End() {
  const std::exception_ptr error = std::current_exception();
  if (error == nullptr) {
    fmt::print(stderr, "blobd: ends, which is a bug to report: there was no exception\n");
  } else if (const char* const limit = LimitThatWasMet(error); limit != nullptr) {
    // Without memory of its own: there may be none. Our other threads are cut off as by a kill, and
    // what was promised is durable as after one.
    std::fputs("blobd: ", stderr);
    std::fputs(limit, stderr);
    std::fputs("\n", stderr);
    _exit(g_exit_code);
  } else {
    fmt::print(stderr, "blobd: {}\n", LastWords(error));
  }
  std::abort();
}

}  // namespace

std::string LastWords(const std::exception_ptr& error) {
  if (const char* const limit = LimitThatWasMet(error); limit != nullptr) return limit;
  try {
    std::rethrow_exception(error);
  } catch (const std::exception& unexpected) {
    return fmt::format("ends, which is a bug to report: {}", unexpected.what());
  } catch (...) {
    return "ends, which is a bug to report: an exception of a kind that nobody knows";
  }
}

void SayLastWords(int exit_code) {
  g_exit_code = exit_code;
  std::set_terminate(End);
}

}  // namespace blobd::daemon
