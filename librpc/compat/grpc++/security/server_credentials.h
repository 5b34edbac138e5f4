// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: grpc++/security/server_credentials.h
//
// The old name of grpcpp/security/server_credentials.h.
#ifndef GRPCXX_SECURITY_SERVER_CREDENTIALS_H_
#define GRPCXX_SECURITY_SERVER_CREDENTIALS_H_

#include "grpcpp/security/server_credentials.h"

#endif  // GRPCXX_SECURITY_SERVER_CREDENTIALS_H_
