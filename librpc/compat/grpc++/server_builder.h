// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: grpc++/server_builder.h
//
// The old name of grpcpp/server_builder.h.
#ifndef GRPCXX_SERVER_BUILDER_H_
#define GRPCXX_SERVER_BUILDER_H_

#include "grpcpp/server_builder.h"

#endif  // GRPCXX_SERVER_BUILDER_H_
