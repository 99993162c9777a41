// Every exchange in protocol/vectors, captured from real nodes: decoded, encoded again, and
// falsified.
#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>

#include "bao/naive_for_test.h"
#include "bao/outboard.h"
#include "wire/request.h"
#include "wire/vectors_for_test.h"

namespace blobd::bao {
namespace {

using nlohmann::json;
namespace vectors = wire::vectors;

constexpr uint64_t kLimit = uint64_t{1} << 44;

const json& Index() {
  static const json index = vectors::LoadIndex();
  return index;
}

// All content of which the provider had the whole, by hash.
const std::map<Hash, NaiveBlob>& Blobs() {
  static const std::map<Hash, NaiveBlob> blobs = [] {
    std::map<Hash, NaiveBlob> result;
    const auto add = [&](Bytes content) {
      NaiveBlob blob(std::move(content));
      const Hash hash = blob.hash();
      result.emplace(hash, std::move(blob));
    };
    for (const json& blob : Index()["blobs"]) {
      add(vectors::BlobContent(blob["seed"].get<uint32_t>(), blob["size"].get<size_t>()));
    }
    for (const json& collection : Index()["collections"]) {
      add(vectors::FromHexOrThrow(collection["root_hex"].get<std::string>()));
      if (collection.contains("meta_hex")) {
        add(vectors::FromHexOrThrow(collection["meta_hex"].get<std::string>()));
      }
    }
    return result;
  }();
  return blobs;
}

Bytes ResponseOf(const json& c) {
  if (c.contains("response_file")) return vectors::ReadFile(c["response_file"].get<std::string>());
  return vectors::FromHexOrThrow(c["response_hex"].get<std::string>());
}

// One blob that answers a request.
struct Target {
  uint64_t index = 0;
  Hash hash;
  wire::ChunkRanges wanted;
};

// The blobs a request selects, as far as the root has hashes for them.
std::vector<Target> TargetsOf(const json& request) {
  const Hash root = vectors::HashOf(request["hash"]);
  const json& ranges = request["ranges"];
  const bool repeats = request["last_repeats"].get<bool>();
  size_t children = 0;
  const auto known = Blobs().find(root);
  const bool is_hash_seq = known != Blobs().end() && known->second.size() % 32 == 0;
  if (is_hash_seq) children = static_cast<size_t>(known->second.size() / 32);
  std::vector<Target> targets;
  for (size_t i = 0; i <= children; ++i) {
    if (i >= ranges.size() && !(repeats && !ranges.empty())) break;
    const wire::ChunkRanges wanted =
        vectors::RangesOf(i < ranges.size() ? ranges[i] : ranges.back());
    if (wanted.empty()) continue;
    Hash hash = root;
    if (i > 0)
      hash = Hash::FromBytes(ByteView(known->second.content()).subspan(32 * (i - 1), 32)).value();
    targets.push_back({i, hash, wanted});
  }
  return targets;
}

// 0.35 answers nothing at all when a request has the shape of one for a hash sequence and the root
// is none.
bool IsForASequenceThatIsNone(const json& request) {
  const bool for_one_blob = request["ranges"].size() == 1 && !request["last_repeats"].get<bool>();
  const auto root = Blobs().find(vectors::HashOf(request["hash"]));
  return !for_one_blob && root != Blobs().end() && root->second.size() % 32 != 0;
}

// A decoder of any number of blobs in sequence; nullopt at the first error or if something is
// missing or left over.
struct Decoded {
  bool complete = false;
  bool all_proven = true;
  size_t taken = 0;
};
Decoded DecodeAll(const std::vector<Target>& targets, ByteView response, Rng& rng,
                  const json* expected) {
  Decoded result;
  for (size_t i = 0; i < targets.size(); ++i) {
    const Target& target = targets[i];
    const auto blob = Blobs().find(target.hash);
    if (blob == Blobs().end()) {
      if (expected != nullptr) {
        EXPECT_FALSE((*expected)["blobs"].at(i)["found"].get<bool>());
      }
      return result;
    }
    Decoder decoder(target.hash, target.wanted, kLimit);
    TruthSink sink(blob->second);
    result.taken +=
        FeedInPieces(decoder, response.subspan(result.taken), 1 + rng.Below(40'000), rng, sink);
    EXPECT_FALSE(decoder.size_proven() && decoder.claimed_size() != blob->second.size());
    if (!decoder.done()) return result;
    result.all_proven &= decoder.size_proven();
    if (expected == nullptr) continue;
    const json& wanted = (*expected)["blobs"].at(i);
    EXPECT_EQ(wanted["index"].get<uint64_t>(), target.index);
    EXPECT_EQ(vectors::HashOf(wanted["hash"]), target.hash);
    EXPECT_EQ(wanted["size"].get<uint64_t>(), decoder.claimed_size());
    EXPECT_EQ(wanted["size_proven"].get<bool>(), decoder.size_proven());
    EXPECT_EQ(wanted["leaves"].get<size_t>(), sink.leaves());
    RangeSet spans;
    for (const json& span : wanted["spans"])
      spans.Insert({span[0].get<uint64_t>(), span[1].get<uint64_t>()});
    EXPECT_EQ(sink.bytes(), spans);
  }
  result.complete = result.taken == response.size();
  return result;
}

template <typename Check>
void ForEachAnsweredCase(Check check) {
  for (const json& c : Index()["cases"]) {
    if (!c["expected"]["decodes"].get<bool>()) continue;
    SCOPED_TRACE(c["name"].get<std::string>());
    check(c, TargetsOf(c["request"]), ResponseOf(c));
  }
}

TEST(VectorsTest, BlobsHaveTheirHashes) {
  for (const json& blob : Index()["blobs"])
    EXPECT_TRUE(Blobs().contains(vectors::HashOf(blob["blake3"])));
  for (const json& collection : Index()["collections"]) {
    EXPECT_TRUE(Blobs().contains(vectors::HashOf(collection["root_hash"])));
  }
}

TEST(VectorsTest, ResponsesDecode) {
  size_t cases = 0;
  Rng rng(1);
  ForEachAnsweredCase(
      [&](const json& c, const std::vector<Target>& targets, const Bytes& response) {
        ++cases;
        const json& expected = c["expected"];
        // Behind a child that was not found nothing is sent, nor expected.
        const bool not_found = expected["end"] == "not-found";
        EXPECT_LE(expected["blobs"].size(), targets.size());
        EXPECT_TRUE(not_found || expected["blobs"].size() == targets.size());
        const Decoded decoded = DecodeAll(targets, response, rng, &expected);
        EXPECT_EQ(decoded.taken, response.size());
        EXPECT_EQ(decoded.complete, !not_found);
      });
  EXPECT_EQ(cases, 75u);
}

TEST(VectorsTest, SelectionsAgreeWithTheRequests) {
  ForEachAnsweredCase([&](const json& c, const std::vector<Target>& targets, const Bytes&) {
    const Bytes bytes = vectors::FromHexOrThrow(c["request_hex"].get<std::string>());
    const auto request = wire::DecodeRequest(bytes);
    ASSERT_TRUE(request.ok()) << request.status();
    const auto& get = std::get<wire::GetRequest>(request->request);
    for (const Target& target : targets) {
      EXPECT_EQ(target.wanted, get.ranges.At(target.index));
    }
  });
}

Bytes Encode(const Target& target, BlobSource& source, uint64_t size, Status* status) {
  Encoder encoder(target.hash, size, target.wanted, source);
  Bytes all;
  Bytes out(10'000);
  while (true) {
    const auto filled = encoder.Fill(out);
    *status = filled.status();
    if (!filled.ok() || *filled == 0) return all;
    all.insert(all.end(), out.begin(), out.begin() + static_cast<ptrdiff_t>(*filled));
  }
}

TEST(VectorsTest, ResponsesAreEncodedByteForByte) {
  ForEachAnsweredCase(
      [&](const json& c, const std::vector<Target>& targets, const Bytes& response) {
        if (IsForASequenceThatIsNone(c["request"])) {
          EXPECT_TRUE(response.empty());
          return;
        }
        Bytes all;
        for (const Target& target : targets) {
          const auto blob = Blobs().find(target.hash);
          if (blob == Blobs().end()) break;
          NaiveSource source(blob->second);
          Status status;
          const Bytes one = Encode(target, source, blob->second.size(), &status);
          EXPECT_TRUE(status.ok()) << status;
          EXPECT_EQ(one, blob->second.Response(target.wanted));
          all.insert(all.end(), one.begin(), one.end());
        }
        EXPECT_TRUE(all == response);
      });
}

// Every bit of small answers, some of large ones: decoding fails, or the bit is of a size on which
// nothing depends.
TEST(VectorsTest, FlippedBitsAreFound) {
  Rng rng(2);
  ForEachAnsweredCase(
      [&](const json& c, const std::vector<Target>& targets, const Bytes& response) {
        if (c["expected"]["end"] == "not-found") return;
        const size_t bits = response.size() * 8;
        const bool all_bits = response.size() <= 2048;
        const size_t flips = all_bits ? bits : 130;
        for (size_t flip = 0; flip < flips; ++flip) {
          const size_t bit = all_bits || flip < 72 ? flip : rng.Below(bits);
          Bytes wrong = response;
          wrong[bit / 8] ^= static_cast<uint8_t>(1 << (bit % 8));
          const Decoded decoded = DecodeAll(targets, wrong, rng, nullptr);
          if (decoded.complete) {
            EXPECT_FALSE(decoded.all_proven) << "bit " << bit;
          }
        }
      });
}

TEST(VectorsTest, PartialProvider) {
  const json& partial = Index()["partial_provider"];
  const uint64_t held_chunks = partial["held_chunks"][1].get<uint64_t>();
  const NaiveBlob* blob = nullptr;
  for (const auto& [hash, each] : Blobs()) {
    if (each.size() == 1048583) blob = &each;
  }
  ASSERT_NE(blob, nullptr);
  for (const json& c : partial["cases"]) {
    SCOPED_TRACE(c["name"].get<std::string>());
    const Target target{0, blob->hash(), vectors::RangesOf(c["ranges"])};
    NaiveSource source(*blob, RangeSet(Range{0, held_chunks / 16}));
    Status status;
    const Bytes answer = Encode(target, source, blob->size(), &status);
    EXPECT_EQ(answer.size(), c["response_size"].get<size_t>());
    if (c.contains("response_file")) {
      EXPECT_TRUE(answer == ResponseOf(c));
    }
    const Bytes whole = blob->Response(target.wanted);
    EXPECT_EQ(status.code(),
              answer.size() == whole.size() ? StatusCode::kOk : StatusCode::kNotFound);
    EXPECT_TRUE(std::equal(answer.begin(), answer.end(), whole.begin()));

    Decoder decoder(target.hash, target.wanted, kLimit);
    TruthSink sink(*blob);
    EXPECT_EQ(decoder.Feed(answer, sink), answer.size());
    EXPECT_EQ(decoder.error(), DecodeError::kNone);
    EXPECT_EQ(decoder.done(), status.ok());
  }
}

TEST(VectorsTest, Outboards) {
  for (const json& c : Index()["outboards"]) {
    const Bytes content = vectors::BlobContent(c["seed"].get<uint32_t>(), c["size"].get<size_t>());
    OutboardBuilder builder;
    builder.Append(content);
    Bytes outboard;
    EXPECT_EQ(builder.Finish(&outboard).root, vectors::HashOf(c["blake3"]));
    EXPECT_TRUE(outboard == vectors::ReadFile(c["file"].get<std::string>()));
    EXPECT_TRUE(outboard == NaiveBlob(content).outboard());
  }
}

}  // namespace
}  // namespace blobd::bao
