package api

// The generators' versions are those of go.mod. protoc itself is a package of
// every distribution (Debian: protobuf-compiler); only who changes the
// definition needs it.
//go:generate bash -c "GOBIN=$PWD/../.tools go install google.golang.org/protobuf/cmd/protoc-gen-go connectrpc.com/connect/cmd/protoc-gen-connect-go"
//go:generate bash -c "PATH=$PWD/../.tools:$PATH protoc --go_out=. --go_opt=paths=source_relative --connect-go_out=. --connect-go_opt=paths=source_relative,simple berth/v1/berth.proto"
