// Package api holds the protobuf service in its folders, with the generated
// code beside the definition. It is a contract: it knows no layer.
package api
