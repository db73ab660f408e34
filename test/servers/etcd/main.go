// Command etcd is etcd itself: its own module has replaces, so that it cannot be installed by its version.
package main

import (
	"os"

	"go.etcd.io/etcd/server/v3/etcdmain"
)

func main() {
	etcdmain.Main(os.Args)
}
