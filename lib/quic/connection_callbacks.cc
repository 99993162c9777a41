// What ngtcp2 calls on behalf of a Connection; its user_data is the Connection.
#include <ngtcp2/ngtcp2_crypto.h>
#include <sodium.h>

#include "quic/connection.h"

namespace blobd::quic {

// Each is called from within ngtcp2 and hands on to the delegate. Returning anything but 0 would
// end the connection.
struct Connection::Callbacks {
  static Connection& Self(void* user_data) { return *static_cast<Connection*>(user_data); }

  // A packet was, in this Receive.
  static inline thread_local bool decrypted = false;

  static int HandshakeCompleted(ngtcp2_conn* conn, void* user_data) {
    Connection& self = Self(user_data);
    if (!self.tls_->peer()) return NGTCP2_ERR_CALLBACK_FAILURE;  // nobody without a name
    // A server hears of its peer before the first stream; a client waits for the stream limit.
    if (ngtcp2_conn_is_server(conn) != 0) self.AnnounceReady();
    return 0;
  }

  static int StreamOpen(ngtcp2_conn*, int64_t id, void* user_data) {
    Connection& self = Self(user_data);
    self.streams_.emplace(id, Stream());
    self.delegate_->OnStreamOpened(id);
    return 0;
  }

  static int StreamData(ngtcp2_conn* conn, uint32_t flags, int64_t id, uint64_t,
                        const uint8_t* data, size_t size, void* user_data, void*) {
    Connection& self = Self(user_data);
    const auto found = self.streams_.find(id);
    if (found == self.streams_.end() || found->second.stopped) {
      ngtcp2_conn_extend_max_offset(conn, size);
      return 0;
    }
    found->second.unconsumed += size;
    if (size > 0) self.delegate_->OnStreamData(id, {data, size});
    if ((flags & NGTCP2_STREAM_DATA_FLAG_FIN) == 0) return 0;
    const auto still = self.streams_.find(id);
    if (still != self.streams_.end() && !still->second.stopped) self.delegate_->OnStreamFin(id);
    return 0;
  }

  static int StreamReset(ngtcp2_conn*, int64_t id, uint64_t, uint64_t code, void* user_data,
                         void*) {
    Connection& self = Self(user_data);
    const auto found = self.streams_.find(id);
    if (found != self.streams_.end() && !found->second.stopped) {
      self.delegate_->OnStreamReset(id, code);
    }
    return 0;
  }

  static int Acknowledged(ngtcp2_conn*, int64_t id, uint64_t offset, uint64_t size, void* user_data,
                          void*) {
    Connection& self = Self(user_data);
    const auto found = self.streams_.find(id);
    if (found == self.streams_.end()) return 0;
    found->second.send.Acknowledged(offset + size);
    self.acknowledged_ += size;
    if (size > 0) self.delegate_->OnStreamAcknowledged(id, size);
    return 0;
  }

  static int StreamClose(ngtcp2_conn* conn, uint32_t flags, int64_t id, uint64_t code,
                         void* user_data, void*) {
    Connection& self = Self(user_data);
    if (ngtcp2_conn_is_local_stream(conn, id) == 0) ngtcp2_conn_extend_max_streams_bidi(conn, 1);
    const auto found = self.streams_.find(id);
    if (found == self.streams_.end()) return 0;
    if (found->second.unconsumed > 0) {
      self.unconsumed_of_closed_.emplace(id, found->second.unconsumed);
    }
    self.streams_.erase(found);
    std::optional<uint64_t> reset;
    if ((flags & NGTCP2_STREAM_CLOSE_FLAG_APP_ERROR_CODE_SET) != 0) reset = code;
    self.delegate_->OnStreamClosed(id, reset);
    return 0;
  }

  static int StatelessReset(ngtcp2_conn*, const ngtcp2_pkt_stateless_reset*, void* user_data) {
    Self(user_data).stateless_reset_ = true;
    return 0;
  }

  static int PathValidation(ngtcp2_conn*, uint32_t, const ngtcp2_path* path,
                            ngtcp2_path_validation_result result, void* user_data) {
    const auto name = SocketAddress::FromSockaddr(path->remote.addr);
    const bool valid = result == NGTCP2_PATH_VALIDATION_RESULT_SUCCESS;
    if (name) Self(user_data).OnPathValidated(*name, valid);
    return 0;
  }

  static int NewCid(ngtcp2_conn*, ngtcp2_cid* cid, uint8_t* token, size_t size, void* user_data) {
    Connection& self = Self(user_data);
    cid->datalen = size;
    randombytes_buf(cid->data, size);
    if (ngtcp2_crypto_generate_stateless_reset_token(token, self.options_.reset_secret.data(),
                                                     self.options_.reset_secret.size(), cid) != 0) {
      return NGTCP2_ERR_CALLBACK_FAILURE;
    }
    self.delegate_->OnCidAdded(Cid::From(*cid));
    return 0;
  }

  static int RemoveCid(ngtcp2_conn*, const ngtcp2_cid* cid, void* user_data) {
    Self(user_data).delegate_->OnCidRetired(Cid::From(*cid));
    return 0;
  }

  // The library tells nobody whether it could make anything of a packet, and this call has no place
  // for whose it is; but it comes within Receive.
  static int Decrypt(uint8_t* dest, const ngtcp2_crypto_aead* aead,
                     const ngtcp2_crypto_aead_ctx* context, const uint8_t* sealed,
                     size_t sealed_size, const uint8_t* nonce, size_t nonce_size,
                     const uint8_t* extra, size_t extra_size) {
    const int error = ngtcp2_crypto_decrypt_cb(dest, aead, context, sealed, sealed_size, nonce,
                                               nonce_size, extra, extra_size);
    if (error == 0) decrypted = true;
    return error;
  }

  static void Random(uint8_t* out, size_t size, const ngtcp2_rand_ctx*) {
    randombytes_buf(out, size);
  }
};

bool Connection::TakeDecrypted() { return std::exchange(Callbacks::decrypted, false); }

ngtcp2_callbacks Connection::MakeCallbacks(Role role) {
  ngtcp2_callbacks table{};
  if (role == Role::kClient) {
    table.client_initial = ngtcp2_crypto_client_initial_cb;
    table.recv_retry = ngtcp2_crypto_recv_retry_cb;
  } else {
    table.recv_client_initial = ngtcp2_crypto_recv_client_initial_cb;
  }
  table.recv_crypto_data = ngtcp2_crypto_recv_crypto_data_cb;
  table.encrypt = ngtcp2_crypto_encrypt_cb;
  table.decrypt = Callbacks::Decrypt;
  table.hp_mask = ngtcp2_crypto_hp_mask_cb;
  table.update_key = ngtcp2_crypto_update_key_cb;
  table.delete_crypto_aead_ctx = ngtcp2_crypto_delete_crypto_aead_ctx_cb;
  table.delete_crypto_cipher_ctx = ngtcp2_crypto_delete_crypto_cipher_ctx_cb;
  table.get_path_challenge_data = ngtcp2_crypto_get_path_challenge_data_cb;
  table.version_negotiation = ngtcp2_crypto_version_negotiation_cb;
  table.rand = Callbacks::Random;
  table.handshake_completed = Callbacks::HandshakeCompleted;
  table.stream_open = Callbacks::StreamOpen;
  table.recv_stream_data = Callbacks::StreamData;
  table.stream_reset = Callbacks::StreamReset;
  table.acked_stream_data_offset = Callbacks::Acknowledged;
  table.stream_close = Callbacks::StreamClose;
  table.recv_stateless_reset = Callbacks::StatelessReset;
  table.path_validation = Callbacks::PathValidation;
  table.get_new_connection_id = Callbacks::NewCid;
  table.remove_connection_id = Callbacks::RemoveCid;
  return table;
}

}  // namespace blobd::quic
