// The captured exchanges (wire/vectors_for_test.h) as an upload server has them: what it holds,
// what it is asked, and what it must answer, always with FIN.
#pragma once

#include <set>
#include <string>
#include <utility>
#include <vector>

#include "bao/naive_for_test.h"
#include "wire/vectors_for_test.h"

namespace blobd::transfer {

struct VectorCase {
  std::string name;
  Bytes request;
  Bytes answer;
};

inline VectorCase VectorCaseOf(const nlohmann::json& c, Bytes answer) {
  return {c["name"].get<std::string>(),
          wire::vectors::FromHexOrThrow(c["request_hex"].get<std::string>()), std::move(answer)};
}

// All blobs, collections and their metadata.
inline std::vector<Bytes> VectorContents() {
  namespace vectors = wire::vectors;
  std::vector<Bytes> contents;
  for (const auto& blob : vectors::LoadIndex()["blobs"]) {
    contents.push_back(
        vectors::BlobContent(blob["seed"].get<uint32_t>(), blob["size"].get<size_t>()));
  }
  for (const auto& collection : vectors::LoadIndex()["collections"]) {
    for (const char* part : {"root_hex", "meta_hex"}) {
      if (collection.contains(part))
        contents.push_back(vectors::FromHexOrThrow(collection[part].get<std::string>()));
    }
  }
  return contents;
}

// What a provider answers that holds all of them. The captured one, 0.35, knows only Get; what we
// do about other kinds has tests of its own.
inline std::vector<VectorCase> VectorCases() {
  namespace vectors = wire::vectors;
  const std::set<std::string> of_newer_kinds = {"observe-kind-1", "push-kind-8", "getmany-kind-9"};
  std::vector<VectorCase> cases;
  for (const auto& c : vectors::LoadIndex()["cases"]) {
    if (of_newer_kinds.count(c["name"].get<std::string>()) != 0) continue;
    cases.push_back(
        VectorCaseOf(c, c.contains("response_file")
                            ? vectors::ReadFile(c["response_file"].get<std::string>())
                            : vectors::FromHexOrThrow(c["response_hex"].get<std::string>())));
  }
  return cases;
}

// What a provider answers that holds the first groups of one blob, and does not know its size for
// sure.
struct PartialVectors {
  Bytes content;  // all of it
  uint64_t held_groups = 0;
  std::vector<VectorCase> cases;
};

inline PartialVectors LoadPartialVectors() {
  namespace vectors = wire::vectors;
  const nlohmann::json& partial = vectors::LoadIndex()["partial_provider"];
  PartialVectors loaded;
  for (const auto& blob : vectors::LoadIndex()["blobs"]) {
    if (blob["name"] == partial["blob"])
      loaded.content =
          vectors::BlobContent(blob["seed"].get<uint32_t>(), blob["size"].get<size_t>());
  }
  loaded.held_groups = partial["held_chunks"][1].get<uint64_t>() / bao::kGroupChunks;
  const bao::NaiveBlob naive(loaded.content);
  for (const auto& c : partial["cases"]) {
    // Answers that are not stored begin the answer of who holds everything.
    Bytes answer = c.contains("response_file")
                       ? vectors::ReadFile(c["response_file"].get<std::string>())
                       : naive.Response(vectors::RangesOf(c["ranges"]));
    answer.resize(c["response_size"].get<size_t>());
    loaded.cases.push_back(VectorCaseOf(c, std::move(answer)));
  }
  return loaded;
}

}  // namespace blobd::transfer
