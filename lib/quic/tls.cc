#include "quic/tls.h"

#include <gnutls/abstract.h>
#include <ngtcp2/ngtcp2_crypto_gnutls.h>
#include <sodium.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "base/check.h"
#include "wire/base32.h"

#if defined(__aarch64__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

namespace blobd::quic {
namespace {

// SubjectPublicKeyInfo of an ed25519 key and PKCS #8 of a seed, up to the 32 bytes (RFC 8410).
constexpr std::array<uint8_t, 12> kSpkiPrefix = {0x30, 0x2a, 0x30, 0x05, 0x06, 0x03,
                                                 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00};
constexpr std::array<uint8_t, 16> kPkcs8Prefix = {0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06,
                                                  0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20};
constexpr size_t kSpkiSize = kSpkiPrefix.size() + 32;
constexpr size_t kPkcs8Size = kPkcs8Prefix.size() + 32;

bool HasAes() {
#if defined(__x86_64__)
  return __builtin_cpu_supports("aes") != 0;
#elif defined(__aarch64__)
  return (getauxval(AT_HWCAP) & HWCAP_AES) != 0;
#else
  return false;
#endif
}

// Ciphers in our order. With AES in hardware, ChaCha20 is five times slower than AES-128 and
// AES-256 a tenth; without it, the other way round. X25519 comes first because that is the share
// iroh sends; the default order would cost P-256 or a round trip.
std::string Priorities(Role role) {
  const std::string ciphers = HasAes() ? ":+AES-128-GCM:+AES-256-GCM:+CHACHA20-POLY1305"
                                       : ":+CHACHA20-POLY1305:+AES-128-GCM:+AES-256-GCM";
  std::string text = "NORMAL:-VERS-ALL:+VERS-TLS1.3:-CIPHER-ALL" + ciphers +
                     ":-GROUP-ALL:+GROUP-X25519:+GROUP-SECP256R1:+GROUP-SECP384R1"
                     ":-CTYPE-ALL:+CTYPE-CLI-RAWPK:+CTYPE-SRV-RAWPK"
                     ":%DISABLE_TLS13_COMPAT_MODE";
  // iroh's clients put AES-256 first; a server decides by its own order.
  if (role == Role::kServer) text += ":%SERVER_PRECEDENCE";
  return text;
}

Status TlsStatus(int error, std::string_view what) {
  return Internal("{}: {}", what, gnutls_strerror(error));
}

#define BLOBD_TLS(expression)                              \
  do {                                                     \
    if (const int tls_error = (expression); tls_error < 0) \
      return TlsStatus(tls_error, #expression);            \
  } while (false)

// A hello without ALPN would pass GnuTLS; it must not pass us.
int RequireAlpn(gnutls_session_t session, unsigned, unsigned, unsigned, const gnutls_datum_t*) {
  gnutls_datum_t selected{};
  return gnutls_alpn_get_selected_protocol(session, &selected) == 0
             ? 0
             : GNUTLS_E_NO_APPLICATION_PROTOCOL;
}

}  // namespace

std::string ServerName(const NodeId& node) {
  return wire::ToBase32Hex(node.view()) + ".iroh.invalid";
}

StatusOr<std::unique_ptr<TlsContext>> TlsContext::Create(const Identity& identity) {
  std::unique_ptr<TlsContext> context(new TlsContext());
  BLOBD_RETURN_IF_ERROR(context->Init(identity));
  return context;
}

Status TlsContext::Init(const Identity& identity) {
  std::array<uint8_t, kSpkiSize> spki{};
  std::copy(kSpkiPrefix.begin(), kSpkiPrefix.end(), spki.begin());
  const ByteView id = identity.node_id().view();
  std::copy(id.begin(), id.end(), spki.begin() + kSpkiPrefix.size());

  std::array<uint8_t, kPkcs8Size> pkcs8{};
  std::copy(kPkcs8Prefix.begin(), kPkcs8Prefix.end(), pkcs8.begin());
  std::copy(identity.seed().begin(), identity.seed().end(), pkcs8.begin() + kPkcs8Prefix.size());

  BLOBD_TLS(gnutls_certificate_allocate_credentials(&credentials_));
  const gnutls_datum_t public_key{spki.data(), static_cast<unsigned>(spki.size())};
  const gnutls_datum_t private_key{pkcs8.data(), static_cast<unsigned>(pkcs8.size())};
  const int set = gnutls_certificate_set_rawpk_key_mem(
      credentials_, &public_key, &private_key, GNUTLS_X509_FMT_DER, nullptr, 0, nullptr, 0, 0);
  sodium_memzero(pkcs8.data(), pkcs8.size());
  if (set < 0) return TlsStatus(set, "gnutls_certificate_set_rawpk_key_mem");
  gnutls_certificate_set_verify_function(credentials_, TlsSession::OnPeerKey);

  BLOBD_TLS(gnutls_priority_init(&client_priority_, Priorities(Role::kClient).c_str(), nullptr));
  BLOBD_TLS(gnutls_priority_init(&server_priority_, Priorities(Role::kServer).c_str(), nullptr));
  return OkStatus();
}

TlsContext::~TlsContext() {
  if (client_priority_ != nullptr) gnutls_priority_deinit(client_priority_);
  if (server_priority_ != nullptr) gnutls_priority_deinit(server_priority_);
  if (credentials_ != nullptr) gnutls_certificate_free_credentials(credentials_);
}

StatusOr<std::unique_ptr<TlsSession>> TlsSession::Create(const TlsContext& context, Role role,
                                                         const std::optional<NodeId>& expected) {
  std::unique_ptr<TlsSession> session(new TlsSession());
  session->expected_ = expected;
  BLOBD_RETURN_IF_ERROR(session->Init(context, role));
  return session;
}

Status TlsSession::Init(const TlsContext& context, Role role) {
  const bool client = role == Role::kClient;
  const unsigned side = client ? GNUTLS_CLIENT : GNUTLS_SERVER | GNUTLS_NO_AUTO_SEND_TICKET;
  BLOBD_TLS(gnutls_init(&session_, side | GNUTLS_ENABLE_RAWPK | GNUTLS_NO_END_OF_EARLY_DATA));
  BLOBD_TLS(
      gnutls_priority_set(session_, client ? context.client_priority_ : context.server_priority_));
  BLOBD_TLS(gnutls_credentials_set(session_, GNUTLS_CRD_CERTIFICATE, context.credentials_));

  std::array<uint8_t, kAlpn.size()> alpn{};
  std::copy(kAlpn.begin(), kAlpn.end(), alpn.begin());
  const gnutls_datum_t protocol{alpn.data(), static_cast<unsigned>(alpn.size())};
  BLOBD_TLS(gnutls_alpn_set_protocols(session_, &protocol, 1, GNUTLS_ALPN_MANDATORY));

  if (client) {
    BLOBD_CHECK(expected_.has_value());
    const std::string name = ServerName(*expected_);
    BLOBD_TLS(gnutls_server_name_set(session_, GNUTLS_NAME_DNS, name.data(), name.size()));
    if (ngtcp2_crypto_gnutls_configure_client_session(session_) != 0) {
      return Internal("TLS session cannot be set up for QUIC");
    }
  } else {
    gnutls_certificate_server_set_request(session_, GNUTLS_CERT_REQUIRE);
    gnutls_handshake_set_hook_function(session_, GNUTLS_HANDSHAKE_CLIENT_HELLO, GNUTLS_HOOK_POST,
                                       RequireAlpn);
    if (ngtcp2_crypto_gnutls_configure_server_session(session_) != 0) {
      return Internal("TLS session cannot be set up for QUIC");
    }
  }
  reference_.user_data = this;
  reference_.get_conn = [](ngtcp2_crypto_conn_ref* reference) {
    return static_cast<TlsSession*>(reference->user_data)->connection_;
  };
  gnutls_session_set_ptr(session_, &reference_);
  return OkStatus();
}

TlsSession::~TlsSession() {
  if (session_ != nullptr) gnutls_deinit(session_);
}

void TlsSession::Attach(ngtcp2_conn* connection) {
  connection_ = connection;
  ngtcp2_conn_set_tls_native_handle(connection, session_);
}

int TlsSession::OnPeerKey(gnutls_session_t session) {
  const auto* reference = static_cast<ngtcp2_crypto_conn_ref*>(gnutls_session_get_ptr(session));
  return static_cast<TlsSession*>(reference->user_data)->CheckPeerKey();
}

int TlsSession::CheckPeerKey() {
  if (gnutls_certificate_type_get2(session_, GNUTLS_CTYPE_PEERS) != GNUTLS_CRT_RAWPK) {
    return GNUTLS_E_CERTIFICATE_ERROR;
  }
  unsigned count = 0;
  const gnutls_datum_t* keys = gnutls_certificate_get_peers(session_, &count);
  if (keys == nullptr || count != 1 || keys[0].size != kSpkiSize ||
      !std::equal(kSpkiPrefix.begin(), kSpkiPrefix.end(), keys[0].data)) {
    return GNUTLS_E_CERTIFICATE_ERROR;
  }
  const auto id = NodeId::FromBytes({keys[0].data + kSpkiPrefix.size(), 32});
  if (expected_ && id != expected_) {
    wrong_identity_ = true;
    return GNUTLS_E_CERTIFICATE_ERROR;
  }
  peer_ = id;
  return 0;
}

}  // namespace blobd::quic
