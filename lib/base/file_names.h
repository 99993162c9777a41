// Names from strangers that shall become files: what an exporting program must refuse, since
// collections may say anything.
//
// Pure function; any thread.
#pragma once

#include <span>
#include <string>

#include "base/status.h"

namespace blobd {

// Whether the names can become files below one directory, and nowhere else: relative paths with `/`
// between components, each of them 1 to 255 bytes and neither `.` nor `..`, 4096 bytes in all,
// without NUL; none twice and none also a directory of another. All else is a plain character, `\`
// and line breaks too: see EscapeForTerminal in utf8.h before showing names. The error is
// kInvalidArgument and its message is safe to show.
Status CheckFileNames(std::span<const std::string> names);

}  // namespace blobd
