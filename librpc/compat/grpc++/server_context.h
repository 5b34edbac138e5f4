// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: grpc++/server_context.h
//
// The old name of grpcpp/server_context.h.
#ifndef GRPCXX_SERVER_CONTEXT_H_
#define GRPCXX_SERVER_CONTEXT_H_

#include "grpcpp/server_context.h"

#endif  // GRPCXX_SERVER_CONTEXT_H_
