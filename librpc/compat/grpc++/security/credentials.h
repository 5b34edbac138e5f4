// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: grpc++/security/credentials.h
//
// The old name of grpcpp/security/credentials.h.
#ifndef GRPCXX_SECURITY_CREDENTIALS_H_
#define GRPCXX_SECURITY_CREDENTIALS_H_

#include "grpcpp/security/credentials.h"

#endif  // GRPCXX_SECURITY_CREDENTIALS_H_
