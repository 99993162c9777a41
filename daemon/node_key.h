// The node's key: of the service manager's credentials if it is among them, else of the state
// directory.
//
// A credential (systemd.exec(5), LoadCredential=) is guarded by whoever hands it out, so its mode
// is not looked at; it never touches the state directory.
//
// Errors: as quic::Identity::LoadOrCreate; a credential that is no key is kDataLoss. There is no
// way
//         back from it to the key of the state directory: a node must not change who it is because
//         of a typing error.
#pragma once

#include <string>

#include "base/status.h"
#include "quic/identity.h"

namespace blobd::daemon {

// The credential's name.
inline constexpr char kNodeKeyCredential[] = "blobd.node-key";

struct NodeKey {
  quic::Identity identity;
  bool is_credential = false;
};

// `path`: of the file in the state directory, which is made if there is none and no credential.
StatusOr<NodeKey> LoadNodeKey(const std::string& path);

}  // namespace blobd::daemon
