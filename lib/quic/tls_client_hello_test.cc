// Our first flight beside those of real iroh nodes (protocol/vectors/transport/clienthello-*.json):
// what they offer where it matters we offer too, and what they offer our server takes.
#include <gnutls/gnutls.h>
#include <gtest/gtest.h>
#include <ngtcp2/ngtcp2_crypto.h>
#include <sodium.h>

#include <map>

#include "quic/datagrams_for_test.h"
#include "wire/vectors_for_test.h"

namespace blobd::quic {
namespace {

const Instant kNow = Instant::FromNanos(1'000'000'000);

enum Extension : uint16_t {
  kServerName = 0,
  kSupportedGroups = 10,
  kSignatureAlgorithms = 13,
  kAlpnExtension = 16,
  kClientCertificateType = 19,
  kServerCertificateType = 20,
  kSupportedVersions = 43,
  kKeyShare = 51,
  kTransportParameters = 57,
};

// A ClientHello (RFC 8446, section 4.1.2), as far as the test looks.
struct ClientHello {
  std::vector<uint16_t> ciphers;
  std::map<uint16_t, Bytes> extensions;
};

uint16_t ReadU16(ByteView& bytes) {
  const auto value = static_cast<uint16_t>(bytes[0] << 8 | bytes[1]);
  bytes = bytes.subspan(2);
  return value;
}
ByteView Take(ByteView& bytes, size_t size) {
  BLOBD_CHECK(bytes.size() >= size);
  const ByteView taken = bytes.first(size);
  bytes = bytes.subspan(size);
  return taken;
}
ByteView TakeList(ByteView& bytes) { return Take(bytes, ReadU16(bytes)); }

ClientHello Parse(ByteView message) {
  ClientHello hello;
  EXPECT_EQ(message[0], 1);       // client_hello
  Take(message, 1 + 3 + 2 + 32);  // type, length, version, random
  Take(message, Take(message, 1)[0]);
  ByteView ciphers = TakeList(message);
  while (!ciphers.empty()) hello.ciphers.push_back(ReadU16(ciphers));
  Take(message, Take(message, 1)[0]);
  ByteView extensions = TakeList(message);
  while (!extensions.empty()) {
    const uint16_t type = ReadU16(extensions);
    const ByteView body = TakeList(extensions);
    hello.extensions[type] = Bytes(body.begin(), body.end());
  }
  return hello;
}

std::vector<uint16_t> U16List(const Bytes& body) {
  ByteView bytes(body);
  ByteView list = TakeList(bytes);
  std::vector<uint16_t> values;
  while (!list.empty()) values.push_back(ReadU16(list));
  return values;
}

std::vector<uint16_t> KeyShareGroups(const Bytes& body) {
  ByteView bytes(body);
  ByteView list = TakeList(bytes);
  std::vector<uint16_t> groups;
  while (!list.empty()) {
    groups.push_back(ReadU16(list));
    TakeList(list);
  }
  return groups;
}

bool Has(const std::vector<uint16_t>& values, uint16_t value) {
  return std::find(values.begin(), values.end(), value) != values.end();
}

// A server's connection in the library, bare, with what it hears in the first packets.
class BareServer {
 public:
  // `client_id` is what the client calls itself; its transport parameters say the same.
  explicit BareServer(const ngtcp2_cid& client_id, const ngtcp2_cid& first_id) {
    ngtcp2_callbacks callbacks{};
    callbacks.recv_client_initial = ngtcp2_crypto_recv_client_initial_cb;
    callbacks.recv_crypto_data = [](ngtcp2_conn*, ngtcp2_crypto_level, uint64_t,
                                    const uint8_t* data, size_t size, void* self) {
      Bytes& all = static_cast<BareServer*>(self)->heard;
      all.insert(all.end(), data, data + size);
      return 0;
    };
    callbacks.encrypt = ngtcp2_crypto_encrypt_cb;
    callbacks.decrypt = ngtcp2_crypto_decrypt_cb;
    callbacks.hp_mask = ngtcp2_crypto_hp_mask_cb;
    callbacks.rand = [](uint8_t* out, size_t size, const ngtcp2_rand_ctx*) {
      randombytes_buf(out, size);
    };
    callbacks.get_new_connection_id = [](ngtcp2_conn*, ngtcp2_cid* cid, uint8_t* token, size_t size,
                                         void*) {
      cid->datalen = size;
      randombytes_buf(cid->data, size);
      randombytes_buf(token, NGTCP2_STATELESS_RESET_TOKENLEN);
      return 0;
    };
    callbacks.update_key = ngtcp2_crypto_update_key_cb;
    callbacks.delete_crypto_aead_ctx = ngtcp2_crypto_delete_crypto_aead_ctx_cb;
    callbacks.delete_crypto_cipher_ctx = ngtcp2_crypto_delete_crypto_cipher_ctx_cb;
    callbacks.get_path_challenge_data = ngtcp2_crypto_get_path_challenge_data_cb;
    callbacks.version_negotiation = ngtcp2_crypto_version_negotiation_cb;
    ngtcp2_settings settings;
    ngtcp2_settings_default(&settings);
    settings.initial_ts = kNow.nanos();
    ngtcp2_transport_params params;
    ngtcp2_transport_params_default(&params);
    params.original_dcid = first_id;
    local_size_ = SocketAddress::V4({192, 0, 2, 2}, 2000).ToSockaddr6(&local_);
    remote_size_ = SocketAddress::V4({192, 0, 2, 1}, 1000).ToSockaddr6(&remote_);
    const ngtcp2_path path = Path();
    ngtcp2_cid own{};
    own.datalen = kOwnCidSize;
    randombytes_buf(own.data, own.datalen);
    BLOBD_CHECK(ngtcp2_conn_server_new(&connection, &client_id, &own, &path, NGTCP2_PROTO_VER_V1,
                                       &callbacks, &settings, &params, nullptr, this) == 0);
  }
  ~BareServer() { ngtcp2_conn_del(connection); }
  BareServer(const BareServer&) = delete;
  BareServer& operator=(const BareServer&) = delete;

  ngtcp2_path Path() {
    ngtcp2_path path{};
    path.local = {reinterpret_cast<sockaddr*>(&local_), local_size_};
    path.remote = {reinterpret_cast<sockaddr*>(&remote_), remote_size_};
    return path;
  }

  ngtcp2_conn* connection = nullptr;
  Bytes heard;

 private:
  sockaddr_storage local_{};
  sockaddr_storage remote_{};
  socklen_t local_size_ = 0;
  socklen_t remote_size_ = 0;
};

// The ClientHello in the first datagram of one of our clients.
Bytes OurClientHello(const NodeId& node) {
  const Bytes datagram = FirstDatagram(node, kNow);
  ngtcp2_pkt_hd first{};
  BLOBD_CHECK(ngtcp2_accept(&first, datagram.data(), datagram.size()) == 0);
  BareServer server(first.scid, first.dcid);
  const ngtcp2_path path = server.Path();
  const ngtcp2_pkt_info info{};
  BLOBD_CHECK(ngtcp2_conn_read_pkt(server.connection, &path, &info, datagram.data(),
                                   datagram.size(), kNow.nanos()) == 0);
  return server.heard;
}

nlohmann::json Captured(const std::string& version) {
  return wire::vectors::LoadJson("transport/clienthello-iroh-" + version + ".json");
}

Bytes BodyOf(const nlohmann::json& captured, uint16_t type) {
  for (const auto& extension : captured["extensions"]) {
    if (extension["type"] == type) return wire::vectors::FromHexOrThrow(extension["hex"]);
  }
  throw std::runtime_error("no extension of that type");
}

class ClientHelloTest : public testing::TestWithParam<const char*> {};

TEST_P(ClientHelloTest, WeOfferWhatTheyOfferWhereItMatters) {
  const nlohmann::json theirs = Captured(GetParam());
  const NodeId node = Identity::Generate().node_id();
  const ClientHello ours = Parse(OurClientHello(node));
  // Raw public keys both ways, and nothing else.
  for (const uint16_t type : {kClientCertificateType, kServerCertificateType}) {
    ASSERT_TRUE(ours.extensions.contains(type));
    EXPECT_EQ(ours.extensions.at(type), BodyOf(theirs, type));
    EXPECT_EQ(ours.extensions.at(type), (Bytes{1, 2}));
  }
  EXPECT_EQ(ours.extensions.at(kAlpnExtension), BodyOf(theirs, kAlpnExtension));
  EXPECT_EQ(ours.extensions.at(kSupportedVersions), BodyOf(theirs, kSupportedVersions));
  // The share that spares a round trip, among the groups they know.
  EXPECT_EQ(KeyShareGroups(ours.extensions.at(kKeyShare)).at(0), 0x001d);
  const auto their_groups = U16List(BodyOf(theirs, kSupportedGroups));
  for (const uint16_t group : U16List(ours.extensions.at(kSupportedGroups))) {
    EXPECT_TRUE(Has(their_groups, group)) << group;
  }
  EXPECT_TRUE(Has(U16List(ours.extensions.at(kSignatureAlgorithms)), 0x0807));
  for (const auto& cipher : theirs["cipher_suites"]) {
    const auto number = std::stoul(cipher.get<std::string>(), nullptr, 16);
    if (number == 0x00ff) continue;  // of TLS 1.2: the sign that renegotiation is secure
    EXPECT_TRUE(Has(ours.ciphers, static_cast<uint16_t>(number))) << cipher;
  }
  // The name has the same form: list length, type, length, and 52 digits with the same ending.
  const Bytes& ours_name = ours.extensions.at(kServerName);
  const Bytes theirs_name = BodyOf(theirs, kServerName);
  ASSERT_EQ(ours_name.size(), theirs_name.size());
  EXPECT_TRUE(std::equal(ours_name.begin(), ours_name.begin() + 5, theirs_name.begin()));
  EXPECT_TRUE(std::equal(ours_name.end() - 13, ours_name.end(), theirs_name.end() - 13));
  EXPECT_EQ(AsText(ByteView(ours_name).subspan(5)), ServerName(node));
}

void AppendU16(Bytes& out, size_t value) {
  out.push_back(static_cast<uint8_t>(value >> 8));
  out.push_back(static_cast<uint8_t>(value));
}
void AppendList(Bytes& out, const Bytes& list) {
  AppendU16(out, list.size());
  out.insert(out.end(), list.begin(), list.end());
}
// A QUIC variable-length integer (RFC 9000, section 16), always in its longest form.
void AppendVarint(Bytes& out, uint64_t value) {
  for (int shift = 56; shift >= 0; shift -= 8) {
    out.push_back(static_cast<uint8_t>((shift == 56 ? 0xc0 : 0) | (value >> shift & 0xff)));
  }
}

// The capture without what was not kept of it, the key itself and the random bytes.
Bytes Rebuild(const nlohmann::json& captured, const Bytes& client_id) {
  Bytes ciphers;
  for (const auto& cipher : captured["cipher_suites"]) {
    AppendU16(ciphers, std::stoul(cipher.get<std::string>(), nullptr, 16));
  }
  Bytes extensions;
  for (const auto& extension : captured["extensions"]) {
    const auto type = extension["type"].get<uint16_t>();
    Bytes body;
    if (type == kKeyShare) {
      Bytes share;
      AppendU16(share, 0x001d);
      Bytes secret(crypto_scalarmult_SCALARBYTES, 9);
      Bytes key(crypto_scalarmult_BYTES);
      crypto_scalarmult_base(key.data(), secret.data());
      AppendList(share, key);
      AppendList(body, share);
    } else if (type == kTransportParameters) {
      for (const auto& parameter : extension["transport_parameters"]) {
        const uint64_t id = std::stoull(parameter["id"].get<std::string>(), nullptr, 16);
        const Bytes value = id == 0xf ? client_id : wire::vectors::FromHexOrThrow(parameter["hex"]);
        AppendVarint(body, id);
        AppendVarint(body, value.size());
        body.insert(body.end(), value.begin(), value.end());
      }
    } else {
      body = wire::vectors::FromHexOrThrow(extension["hex"]);
    }
    AppendU16(extensions, type);
    AppendList(extensions, body);
  }
  Bytes hello = {3, 3};
  hello.insert(hello.end(), 32, 0x5a);  // random
  hello.push_back(0);                   // no session id
  AppendList(hello, ciphers);
  hello.push_back(1);  // no compression
  hello.push_back(0);
  AppendList(hello, extensions);
  Bytes message = {1, 0};
  AppendList(message, hello);
  return message;
}

TEST_P(ClientHelloTest, OurServerTakesTheirs) {
  const Bytes client_id = {1, 2, 3, 4, 5, 6, 7, 8};
  const Bytes hello = Rebuild(Captured(GetParam()), client_id);
  ngtcp2_cid client{};
  ngtcp2_cid_init(&client, client_id.data(), client_id.size());
  BareServer server(client, client);
  const Identity identity = Identity::Generate();
  const auto context = std::move(*TlsContext::Create(identity));
  const auto session = std::move(*TlsSession::Create(*context, Role::kServer, std::nullopt));
  session->Attach(server.connection);
  ASSERT_EQ(ngtcp2_crypto_recv_client_initial_cb(server.connection, &client, nullptr), 0);
  ASSERT_EQ(ngtcp2_crypto_read_write_crypto_data(server.connection, NGTCP2_CRYPTO_LEVEL_INITIAL,
                                                 hello.data(), hello.size()),
            0)
      << "alert " << int{ngtcp2_conn_get_tls_alert(server.connection)};
  // The server has said all it has to say, and waits for the client's key.
  auto* tls = static_cast<gnutls_session_t>(ngtcp2_conn_get_tls_native_handle(server.connection));
  EXPECT_EQ(gnutls_group_get(tls), GNUTLS_GROUP_X25519);
  gnutls_datum_t alpn{};
  ASSERT_EQ(gnutls_alpn_get_selected_protocol(tls, &alpn), 0);
  EXPECT_EQ(AsText({alpn.data, alpn.size}), kAlpn);
  EXPECT_EQ(gnutls_certificate_type_get2(tls, GNUTLS_CTYPE_SERVER), GNUTLS_CRT_RAWPK);
  EXPECT_EQ(gnutls_certificate_type_get2(tls, GNUTLS_CTYPE_CLIENT), GNUTLS_CRT_RAWPK);
  const ngtcp2_transport_params* params =
      ngtcp2_conn_get_remote_transport_params(server.connection);
  ASSERT_NE(params, nullptr);
  EXPECT_EQ(params->max_udp_payload_size, 1472U);
  EXPECT_EQ(params->initial_max_stream_data_bidi_local, 1250000U);
  EXPECT_EQ(params->max_idle_timeout, 30'000'000'000U);
}

INSTANTIATE_TEST_SUITE_P(Iroh, ClientHelloTest, testing::Values("0.35", "1.0.2"),
                         [](const auto& version) {
                           std::string name = version.param;
                           std::replace(name.begin(), name.end(), '.', '_');
                           return name;
                         });

}  // namespace
}  // namespace blobd::quic
