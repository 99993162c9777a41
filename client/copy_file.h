// Copying the bytes of a complete blob out of its descriptor, the cheapest way that both files
// allow: cloned (the file systems shares the blocks), copied inside the kernel, or read and
// written. What was verified once is not hashed again.
//
// Thread: any; blocks.
// Errors: kDataLoss: the source ended too early. Else what the file system says.
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>

#include "base/status.h"

namespace blobd::client {

// Called after every piece with its size; an error ends the copy with it.
using OnCopied = std::function<Status(uint64_t bytes)>;

// Appends `length` bytes of `source` from `offset` at the position of `target`, which may be a pipe
// or terminal too.
Status CopyOut(int source, uint64_t offset, uint64_t length, int target, const OnCopied& copied);

Status WriteAll(int fd, std::string_view data);

}  // namespace blobd::client
