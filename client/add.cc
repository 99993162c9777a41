// add: files, directories and standard input into the store.
#include <fcntl.h>
#include <fmt/format.h>
#include <google/protobuf/struct.pb.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>

#include "base/units.h"
#include "base/utf8.h"
#include "client/add_file.h"
#include "client/add_tree.h"
#include "client/context.h"
#include "client/descriptor.h"
#include "client/progress_line.h"
#include "client/sentence.h"

namespace blobd::client {
namespace {

namespace fs = std::filesystem;

StatusOr<v1::AddResponse> AddPath(FileAdder& adder, const std::string& path) {
  // A FIFO whose writer has not come yet keeps us waiting when it is read, not here.
  const Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (file.get() < 0) return FileError(errno, "open " + EscapeForTerminal(path));
  return adder.Add(file.get(), path);
}

StatusOr<v1::AddResponse> AddOne(Context& context, const std::string& path, bool is_directory,
                                 bool is_private) {
  ProgressLine line(!context.style.quiet && !context.style.is_json());
  if (is_directory) return AddTree(context, path, is_private, line);
  std::error_code unknown;
  const auto size = path == "-" ? 0 : fs::file_size(path, unknown);
  SharedProgress progress(line, "adding", unknown ? 0 : size);
  FileAdder adder(*context.daemon, context.interrupt.descriptor(), is_private, progress);
  return path == "-" ? adder.Add(STDIN_FILENO, "standard input") : AddPath(adder, path);
}

// As AddResponse, and what makes it useful beside others.
void PrintAsJson(const Style& style, const v1::AddResponse& added, const std::string& path,
                 v1::BlobFormat format) {
  google::protobuf::Struct json;
  auto& fields = *json.mutable_fields();
  fields["hash"].set_string_value(added.hash());
  // 64-bit numbers are strings, as everywhere in protobuf's JSON.
  fields["size"].set_string_value(std::to_string(added.size()));
  fields["existed"].set_bool_value(added.existed());
  fields["format"].set_string_value(v1::BlobFormat_Name(format));
  fields["path"].set_string_value(path);
  PrintJson(style, json);
}

}  // namespace

int RunAdd(Context& context, const AddOptions& options) {
  const bool is_private = options.is_private;
  // JSON would have another name.
  for (const std::string& path : options.paths) {
    if (!context.style.is_json() || IsUtf8(path)) continue;
    return Fail(InvalidArgument("{}: the name is not UTF-8, as JSON is; leave --json out",
                                EscapeForTerminal(path)));
  }
  std::string name;
  for (const std::string& path : options.paths) {
    std::error_code error;
    const bool directory = path != "-" && fs::is_directory(path, error);
    const auto added = AddOne(context, path, directory, is_private);
    if (!added.ok()) return Fail(added.status());
    name = (directory ? "s" : "") + added->hash();
    if (context.style.is_json()) {
      PrintAsJson(context.style, *added, path,
                  directory ? v1::BLOB_FORMAT_HASH_SEQ : v1::BLOB_FORMAT_RAW);
    } else if (context.style.quiet) {
      PrintOut("{}\n", name);
    } else {
      Say(context.style, "{} {} {}\n", name, FormatSize(added->size()), EscapeForTerminal(path));
    }
  }
  const bool hint = !is_private && !context.style.quiet && !context.style.is_json();
  if (hint && isatty(STDOUT_FILENO) == 1) {
    Say(context.style, "Share it: blobctl ticket {}\n", options.paths.size() == 1 ? name : "HASH");
  }
  return kExitDone;
}

}  // namespace blobd::client
