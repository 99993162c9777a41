#include "quic/connection.h"

#include <ngtcp2/ngtcp2_crypto.h>
#include <sodium.h>

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace blobd::quic {
namespace {

ngtcp2_cid RandomCid(size_t size) {
  ngtcp2_cid cid{};
  cid.datalen = size;
  randombytes_buf(cid.data, size);
  return cid;
}

// A client's first guess of the server's id; RFC 9000 wants 8 bytes at least.
constexpr size_t kFirstDestinationSize = 16;
constexpr uint64_t kActiveCids = 7;
constexpr uint64_t kMaxReasonSize = 200;
// Of a connection that we dial: what its window may become under a limit of the bandwidth.
constexpr uint64_t kFirstWindow = 64 << 10;
// Probe timeouts in a row without an answer, after which large datagrams are taken to be lost.
constexpr size_t kLostPtos = 3;

std::string ReasonText(const ngtcp2_connection_close_error& error) {
  const size_t size = std::min<size_t>(error.reasonlen, kMaxReasonSize);
  std::string text(reinterpret_cast<const char*>(error.reason), error.reason == nullptr ? 0 : size);
  // The peer chose it: nothing that a terminal would obey.
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) > 0x7e) c = '?';
  }
  return text;
}

}  // namespace

StatusOr<std::unique_ptr<Connection>> Connection::Dial(const TlsContext& tls, const NodeId& node,
                                                       const ConnectionOptions& options,
                                                       const SocketAddress& local,
                                                       const SocketAddress& remote, Instant now,
                                                       ConnectionDelegate* delegate) {
  std::unique_ptr<Connection> connection(
      new Connection(Role::kClient, options, local, remote, now, delegate));
  BLOBD_RETURN_IF_ERROR(connection->InitClient(tls, node, now));
  return connection;
}

StatusOr<std::unique_ptr<Connection>> Connection::Accept(
    const TlsContext& tls, const ngtcp2_pkt_hd& first, const std::optional<Cid>& original,
    const ConnectionOptions& options, const SocketAddress& local, const SocketAddress& remote,
    Instant now, ConnectionDelegate* delegate) {
  std::unique_ptr<Connection> connection(
      new Connection(Role::kServer, options, local, remote, now, delegate));
  BLOBD_RETURN_IF_ERROR(connection->InitServer(tls, first, original, now));
  return connection;
}

Connection::Connection(Role role, const ConnectionOptions& options, const SocketAddress& local,
                       const SocketAddress& remote, Instant now, ConnectionDelegate* delegate)
    : role_(role),
      options_(options),
      local_(local),
      addresses_(remote),
      delegate_(delegate),
      silence_(now),
      max_payload_(options.payload.size) {}

Connection::~Connection() {
  if (conn_ != nullptr) ngtcp2_conn_del(conn_);
}

Status Connection::InitClient(const TlsContext& tls, const NodeId& node, Instant now) {
  BLOBD_ASSIGN_OR_RETURN(tls_, TlsSession::Create(tls, Role::kClient, node));
  ngtcp2_settings settings;
  ngtcp2_transport_params params;
  FillSettings(settings, params, now);
  // The library tells of new credit when there is half of the first window, so a large one could
  // not be made smaller later (Withhold). The rest comes with the first request.
  params.initial_max_data = std::min(options_.connection_window, kFirstWindow);
  const ngtcp2_callbacks callbacks = MakeCallbacks(Role::kClient);
  const ngtcp2_cid destination = RandomCid(kFirstDestinationSize);
  const ngtcp2_cid source = RandomCid(kOwnCidSize);
  sockaddr_storage local{};
  sockaddr_storage remote{};
  const ngtcp2_path path = MakePath(&local, &remote, *addresses_.NameOf(addresses_.current()));
  if (ngtcp2_conn_client_new(&conn_, &destination, &source, &path, NGTCP2_PROTO_VER_V1, &callbacks,
                             &settings, &params, nullptr, this) != 0) {
    return Unavailable("no memory for a connection");
  }
  ngtcp2_conn_extend_max_offset(conn_, options_.connection_window - params.initial_max_data);
  tls_->Attach(conn_);
  if (options_.keep_alive > Duration::zero()) {
    ngtcp2_conn_set_keep_alive_timeout(conn_, static_cast<uint64_t>(options_.keep_alive.count()));
  }
  delegate_->OnCidAdded(Cid::From(source));
  return OkStatus();
}

Status Connection::InitServer(const TlsContext& tls, const ngtcp2_pkt_hd& first,
                              const std::optional<Cid>& original, Instant now) {
  BLOBD_ASSIGN_OR_RETURN(tls_, TlsSession::Create(tls, Role::kServer, std::nullopt));
  ngtcp2_settings settings;
  ngtcp2_transport_params params;
  FillSettings(settings, params, now);
  const ngtcp2_cid source = RandomCid(kOwnCidSize);
  params.original_dcid = first.dcid;
  if (original) {
    settings.token = first.token;
    ngtcp2_cid_init(&params.original_dcid, original->bytes.data(), original->size);
    params.retry_scid = first.dcid;
    params.retry_scid_present = 1;
  }
  params.stateless_reset_token_present = 1;
  if (ngtcp2_crypto_generate_stateless_reset_token(params.stateless_reset_token,
                                                   options_.reset_secret.data(),
                                                   options_.reset_secret.size(), &source) != 0) {
    return Internal("no stateless reset token");
  }
  const ngtcp2_callbacks callbacks = MakeCallbacks(Role::kServer);
  sockaddr_storage local{};
  sockaddr_storage remote{};
  const ngtcp2_path path = MakePath(&local, &remote, *addresses_.NameOf(addresses_.current()));
  if (ngtcp2_conn_server_new(&conn_, &first.scid, &source, &path, first.version, &callbacks,
                             &settings, &params, nullptr, this) != 0) {
    return Unavailable("no memory for a connection");
  }
  tls_->Attach(conn_);
  if (options_.keep_alive > Duration::zero()) {
    ngtcp2_conn_set_keep_alive_timeout(conn_, static_cast<uint64_t>(options_.keep_alive.count()));
  }
  delegate_->OnCidAdded(Cid::From(first.dcid));
  delegate_->OnCidAdded(Cid::From(source));
  return OkStatus();
}

void Connection::FillSettings(ngtcp2_settings& settings, ngtcp2_transport_params& params,
                              Instant now) const {
  ngtcp2_settings_default(&settings);
  settings.initial_ts = now.nanos();
  // Cubic and Reno limit themselves on loopback and collapse at 0.1 % loss
  // (platform/quic-and-hash.md, section 4.2).
  settings.cc_algo = NGTCP2_CC_ALGO_BBR2;
  settings.max_tx_udp_payload_size = options_.payload.size;
  settings.no_tx_udp_payload_size_shaping = options_.payload.probe ? 0 : 1;
  settings.no_pmtud = options_.payload.probe ? 0 : 1;
  settings.max_window = 0;  // windows do not grow by themselves: credit is ours to give
  settings.max_stream_window = 0;
  if (options_.handshake_timeout > Duration::zero()) {
    settings.handshake_timeout = static_cast<uint64_t>(options_.handshake_timeout.count());
  }

  ngtcp2_transport_params_default(&params);
  params.initial_max_data = options_.connection_window;
  params.initial_max_stream_data_bidi_local = options_.stream_window;
  params.initial_max_stream_data_bidi_remote = options_.stream_window;
  params.initial_max_stream_data_uni = 0;
  params.initial_max_streams_bidi = options_.peer_streams;
  params.initial_max_streams_uni = 0;
  params.max_idle_timeout = static_cast<uint64_t>(options_.idle_timeout.count());
  params.active_connection_id_limit = kActiveCids;
}

ngtcp2_path Connection::MakePath(sockaddr_storage* local, sockaddr_storage* remote,
                                 const SocketAddress& name) const {
  ngtcp2_path path{};
  // The library lets a client move only to another address of its own, so each place has one.
  const bool is_client = role_ == Role::kClient;
  path.local.addrlen =
      (is_client ? SocketAddress::V6(local_.ip16(), name.port()) : local_).ToSockaddr6(local);
  path.local.addr = reinterpret_cast<sockaddr*>(local);
  path.remote.addrlen = name.ToSockaddr6(remote);
  path.remote.addr = reinterpret_cast<sockaddr*>(remote);
  return path;
}

bool Connection::Receive(const SocketAddress& from, ByteView datagram, Instant now) {
  if (state_ == State::kEnded) return false;
  NotePath();
  const auto name = role_ == Role::kClient ? addresses_.KnownNameOf(from) : addresses_.NameOf(from);
  if (!name || IsLateReset(datagram)) return false;
  sockaddr_storage local{};
  sockaddr_storage remote{};
  const ngtcp2_path path = MakePath(&local, &remote, *name);
  const ngtcp2_pkt_info info{};
  (void)TakeDecrypted();
  const int error =
      ngtcp2_conn_read_pkt(conn_, &path, &info, datagram.data(), datagram.size(), now.nanos());
  const bool is_peers = TakeDecrypted();
  NotePath();
  // Who has only seen the peer's address must not make a dead path look alive.
  if (is_peers) silence_.Heard(now);
  if (error != 0) {
    Fail(error, now);
  } else {
    AnnounceReady();
  }
  return is_peers;
}

void Connection::AnnounceReady() {
  if (state_ != State::kHandshake || !handshake_completed()) return;
  if (!ngtcp2_conn_is_server(conn_) && ngtcp2_conn_get_streams_bidi_left(conn_) == 0) return;
  state_ = State::kReady;
  delegate_->OnReady();
}

void Connection::OnTimer(Instant now) {
  if (state_ == State::kEnded || NextDeadline() > now) return;
  const int error = ngtcp2_conn_handle_expiry(conn_, now.nanos());
  if (error != 0) return Fail(error, now);
  NotePath();
  NoteLargeLost();
}

// A size above the usual was decided by what the kernel knows of its devices; a switch on the way
// may know better, and drops such datagrams without a word (platform/quic-and-hash.md, 4.1).
void Connection::NoteLargeLost() {
  if (max_payload_ <= Payload::kUsual || !handshake_completed()) return;
  if (acknowledged_ > sent_small_) return;
  ngtcp2_conn_stat stat;
  ngtcp2_conn_get_conn_stat(conn_, &stat);
  if (stat.pto_count < kLostPtos || stat.bytes_in_flight == 0) return;
  max_payload_ = Payload::kLeast;
  large_lost_ = true;
}

Instant Connection::NextDeadline() const {
  if (state_ == State::kEnded) return Instant::Max();
  const uint64_t expiry = ngtcp2_conn_get_expiry(conn_);
  if (expiry >= Instant::Max().nanos()) return Instant::Max();
  // What expires at an instant is not over at that instant for the library, at least not the ids
  // that a move has retired: asked then, it would do nothing and expire again.
  return Instant::FromNanos(expiry + 1);
}

bool Connection::handshake_completed() const {
  return ngtcp2_conn_get_handshake_completed(conn_) != 0;
}

Duration Connection::rtt() const {
  ngtcp2_conn_stat stat;
  ngtcp2_conn_get_conn_stat(conn_, &stat);
  if (stat.first_rtt_sample_ts == UINT64_MAX) return Duration::zero();
  return Duration(static_cast<int64_t>(stat.smoothed_rtt));
}

Duration Connection::latest_rtt() const {
  ngtcp2_conn_stat stat;
  ngtcp2_conn_get_conn_stat(conn_, &stat);
  if (stat.first_rtt_sample_ts == UINT64_MAX) return Duration::zero();
  return Duration(static_cast<int64_t>(stat.latest_rtt));
}

Duration Connection::pto() const {
  return Duration(static_cast<int64_t>(ngtcp2_conn_get_pto(conn_)));
}

void Connection::Close(uint64_t code, std::string_view reason, Instant now) {
  if (state_ == State::kEnded) return;
  const ByteView text = AsBytes(reason.substr(0, kMaxReason));
  ngtcp2_connection_close_error error;
  ngtcp2_connection_close_error_default(&error);
  ngtcp2_connection_close_error_set_application_error(
      &error, code, const_cast<uint8_t*>(text.data()), text.size());
  WriteFarewell(error, now);
  state_ = State::kEnded;
}

void Connection::WriteFarewell(const ngtcp2_connection_close_error& error, Instant now) {
  farewell_.resize(NGTCP2_MAX_UDP_PAYLOAD_SIZE);
  ngtcp2_path_storage path;
  ngtcp2_path_storage_zero(&path);
  ngtcp2_pkt_info info{};
  const ngtcp2_ssize size = ngtcp2_conn_write_connection_close(
      conn_, &path.path, &info, farewell_.data(), farewell_.size(), &error, now.nanos());
  farewell_.resize(size > 0 ? static_cast<size_t>(size) : 0);
}

void Connection::FailFromPeer() {
  if (stateless_reset_) {
    ended_ = CloseReason{CloseReason::Kind::kLost, 0, "the peer has forgotten the connection"};
    return;
  }
  ngtcp2_connection_close_error error;
  ngtcp2_conn_get_connection_close_error(conn_, &error);
  const bool application = error.type == NGTCP2_CONNECTION_CLOSE_ERROR_CODE_TYPE_APPLICATION;
  ended_ = CloseReason{application ? CloseReason::Kind::kPeerClosed : CloseReason::Kind::kLost,
                       error.error_code, ReasonText(error)};
  if (!application && error.error_code == NGTCP2_CONNECTION_REFUSED) {
    // Said by the doorman, also ours, without a word.
    ended_->reason = "refused: it has as many connections as it takes, perhaps from this address";
  } else if (ended_->reason.empty()) {
    ended_->reason = fmt::format("closed by the peer, {} code {:#x}",
                                 application ? "application" : "transport", error.error_code);
  }
}

void Connection::Fail(int error, Instant now) {
  BLOBD_CHECK(state_ != State::kEnded);
  state_ = State::kEnded;
  using Kind = CloseReason::Kind;
  switch (error) {
    case NGTCP2_ERR_DRAINING:
      return FailFromPeer();
    case NGTCP2_ERR_IDLE_CLOSE:
      ended_ = CloseReason{Kind::kLost, 0, "nothing was heard from the peer"};
      return;
    case NGTCP2_ERR_HANDSHAKE_TIMEOUT:
      ended_ = CloseReason{Kind::kLost, 0, "the handshake took too long"};
      return;
    case NGTCP2_ERR_RECV_VERSION_NEGOTIATION:
      ended_ = CloseReason{Kind::kLost, 0, "the peer does not speak QUIC version 1"};
      return;
    case NGTCP2_ERR_DROP_CONN:
    case NGTCP2_ERR_RETRY:
      ended_ = CloseReason{Kind::kLost, 0, "the first packet was not acceptable"};
      return;
    default:
      break;
  }
  ngtcp2_connection_close_error close;
  ngtcp2_connection_close_error_default(&close);
  if (error == NGTCP2_ERR_CRYPTO) {
    ngtcp2_connection_close_error_set_transport_error_tls_alert(
        &close, ngtcp2_conn_get_tls_alert(conn_), nullptr, 0);
  } else {
    ngtcp2_connection_close_error_set_transport_error_liberr(&close, error, nullptr, 0);
  }
  const bool local = error == NGTCP2_ERR_NOMEM || error == NGTCP2_ERR_CALLBACK_FAILURE;
  ended_ = CloseReason{local                    ? Kind::kLocalFault
                       : tls_->wrong_identity() ? Kind::kWrongIdentity
                                                : Kind::kLost,
                       close.error_code, ngtcp2_strerror(error)};
  if (tls_->wrong_identity()) ended_->reason = "another node answered";
  WriteFarewell(close, now);
}

}  // namespace blobd::quic
