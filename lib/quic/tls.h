// TLS 1.3 for QUIC with raw ed25519 public keys on both sides (RFC 7250, RFC 8410) by GnuTLS, as
// iroh 0.34 and later speak it (protocol/transport.md, sections 2 and 3).
//
// A node is who its key says: the client compares the server's key byte for byte with the one it
// dialled, the server learns who came. There are no session tickets and no 0-RTT, because GnuTLS
// does not ask for the identity again when a session is resumed.
//
// Thread:    one; a context may serve sessions of its own thread only.
// Ownership: a context outlives its sessions, a session its ngtcp2_conn.
#pragma once

#include <gnutls/gnutls.h>
#include <ngtcp2/ngtcp2_crypto.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/node_id.h"
#include "base/status.h"
#include "quic/identity.h"

namespace blobd::quic {

inline constexpr std::string_view kAlpn = "/iroh-bytes/4";

enum class Role { kClient, kServer };

// The name a client asks for: base32hex of the server's id, then ".iroh.invalid".
std::string ServerName(const NodeId& node);

// Credentials of one identity and the settings for both roles.
class TlsContext {
 public:
  static StatusOr<std::unique_ptr<TlsContext>> Create(const Identity& identity);
  ~TlsContext();
  TlsContext(const TlsContext&) = delete;
  TlsContext& operator=(const TlsContext&) = delete;

 private:
  friend class TlsSession;
  TlsContext() = default;
  Status Init(const Identity& identity);

  gnutls_certificate_credentials_t credentials_ = nullptr;
  gnutls_priority_t client_priority_ = nullptr;
  gnutls_priority_t server_priority_ = nullptr;
};

// One handshake.
class TlsSession {
 public:
  // `expected` is the node that is dialled; a server takes any and leaves it empty.
  static StatusOr<std::unique_ptr<TlsSession>> Create(const TlsContext& context, Role role,
                                                      const std::optional<NodeId>& expected);
  ~TlsSession();
  TlsSession(const TlsSession&) = delete;
  TlsSession& operator=(const TlsSession&) = delete;

  // Ties session and connection together, before the first packet.
  void Attach(ngtcp2_conn* connection);

  // Whose key the peer has shown and proven to hold; empty before.
  const std::optional<NodeId>& peer() const { return peer_; }
  // True if the peer has shown a well-formed key that is not the expected one.
  bool wrong_identity() const { return wrong_identity_; }

 private:
  TlsSession() = default;
  Status Init(const TlsContext& context, Role role);
  static int OnPeerKey(gnutls_session_t session);
  int CheckPeerKey();
  friend class TlsContext;

  gnutls_session_t session_ = nullptr;
  ngtcp2_crypto_conn_ref reference_{};  // GnuTLS's pointer to us; user_data is this session
  ngtcp2_conn* connection_ = nullptr;
  std::optional<NodeId> expected_;
  std::optional<NodeId> peer_;
  bool wrong_identity_ = false;
};

}  // namespace blobd::quic
