// The tables of registry.db and their history.
#pragma once

#include "sqlite/open.h"

namespace blobd::registry {

const sqlite::Schema& RegistrySchema();

}  // namespace blobd::registry
