// What the process says when it is refused what it cannot do without: a thread, which the C++
// library reports by an exception that nobody catches, or memory. Without it the journal would have
// no more than "terminate called", and not which limit was met.
//
// Thread: SayLastWords() is called once, before there are others. What it installs may run on any.
#pragma once

#include <exception>
#include <string>

namespace blobd::daemon {

// What an operator should hear of the exception that ends the process, and do about it.
std::string LastWords(const std::exception_ptr& error);

// From now on the process says these on stderr before it ends. Where a limit of the machine was
// met it ends with `exit_code`: no bug, and nothing to look for in a core file.
void SayLastWords(int exit_code);

}  // namespace blobd::daemon
