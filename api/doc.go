// Package api holds the protobuf service in its folders, with the generated
// code beside the definition, and what both ends of it share: the translation from
// the words of the root package, and mutual TLS. It is a contract: it knows no
// layer.
package api
