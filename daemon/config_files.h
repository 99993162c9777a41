// Which files make the configuration: the one that was named, and only that; else the default one
// (DefaultConfigFile) and behind it the files *.toml of the directory conf.d beside it, in the
// order of their names. A key in a later file goes before the same key in an earlier one.
//
// Thread: any; reads the disk. Errors: those of ApplyFile, which name the file and the line. That
// there is no default file, or no directory, is none.
#pragma once

#include <string>

#include "base/status.h"
#include "daemon/config.h"

namespace blobd::daemon {

// Reads and applies one file: a regular one of at most 16 MiB. kNotFound if there is none; on error
// nothing is changed.
Status ApplyFile(const std::string& file, Config* config);

// `named`: empty for the default files. On error `config` is partly changed: throw it away.
Status ReadConfigFiles(const std::string& named, Config* config);

}  // namespace blobd::daemon
