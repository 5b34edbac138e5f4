// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: grpc++/client_context.h
//
// The old name of grpcpp/client_context.h.
#ifndef GRPCXX_CLIENT_CONTEXT_H_
#define GRPCXX_CLIENT_CONTEXT_H_

#include "grpcpp/client_context.h"

#endif  // GRPCXX_CLIENT_CONTEXT_H_
