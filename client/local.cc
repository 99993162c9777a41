// version, completion: what blobctl knows without the daemon.
#include <google/protobuf/struct.pb.h>

#include "client/completion_scripts.h"
#include "client/context.h"
#include "client/version.h"

namespace blobd::client {

int RunVersion(Context& context) {
  if (context.style.is_json()) {
    google::protobuf::Struct version;
    (*version.mutable_fields())["version"].set_string_value(kVersion);
    PrintJson(context.style, version);
  } else {
    PrintOut("{}{}\n", context.style.quiet ? "" : "blobctl ", kVersion);
  }
  return kExitDone;
}

int RunCompletion(Context&, const std::string& shell) {
  WriteOutput(shell == "bash"  ? kBashCompletion
              : shell == "zsh" ? kZshCompletion
                               : kFishCompletion);
  return kExitDone;
}

}  // namespace blobd::client
