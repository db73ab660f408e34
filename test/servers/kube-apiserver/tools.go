//go:build tools

// Package tools names what this module is there to build.
package tools

import _ "k8s.io/kubernetes/cmd/kube-apiserver"
