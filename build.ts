console.log('built with', process.version)
