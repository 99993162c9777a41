// What a caller is told of an error in words.
//
// Pure functions; any thread.
#pragma once

#include <string>

#include "base/status.h"

namespace blobd::rpc {

// What it says is for the journal (call_book.h), not for the caller: it may name files, and helps
// nobody who calls.
bool IsUnforeseen(const Status& status);

// At most 1 KiB of UTF-8.
std::string MessageForCaller(const Status& status);

}  // namespace blobd::rpc
