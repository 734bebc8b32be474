// The journal and everything durable: one account, one database, one container, laid out as the store asks for it. No keys.
param location string
param tags object
param token string
param accountType string
param maxThroughput int
param regions array
param privateNetwork bool
param workspaceId string
param functionsPrincipalId string
param xdsPrincipalId string
param deployXds bool

var isServerless = accountType == 'serverless'
var furtherLocations = [for (name, index) in regions: {
  locationName: name
  failoverPriority: index + 1
  isZoneRedundant: false
}]

resource account 'Microsoft.DocumentDB/databaseAccounts@2024-11-15' = {
  name: 'cosmos-${token}'
  location: location
  tags: tags
  kind: 'GlobalDocumentDB'
  properties: {
    databaseAccountOfferType: 'Standard'
    capabilities: isServerless ? [{ name: 'EnableServerless' }] : []
    locations: concat(
      [{ locationName: location, failoverPriority: 0, isZoneRedundant: false }],
      isServerless ? [] : furtherLocations
    )
    enableAutomaticFailover: !isServerless && !empty(regions)
    enableMultipleWriteLocations: false
    consistencyPolicy: {
      defaultConsistencyLevel: 'Session'
    }
    backupPolicy: {
      type: 'Continuous'
      continuousModeProperties: {
        tier: 'Continuous7Days'
      }
    }
    disableLocalAuth: true
    disableKeyBasedMetadataWriteAccess: true
    minimalTlsVersion: 'Tls12'
    publicNetworkAccess: privateNetwork ? 'Disabled' : 'Enabled'
  }
}

resource database 'Microsoft.DocumentDB/databaseAccounts/sqlDatabases@2024-11-15' = {
  parent: account
  name: 'meshwright'
  properties: {
    resource: {
      id: 'meshwright'
    }
  }
}

resource container 'Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers@2024-11-15' = {
  parent: database
  name: 'state'
  properties: {
    resource: {
      id: 'state'
      partitionKey: {
        kind: 'Hash'
        version: 2
        paths: ['/partition']
      }
      defaultTtl: -1
      indexingPolicy: {
        indexingMode: 'consistent'
        automatic: true
        includedPaths: [
          { path: '/kind/?' }
          { path: '/ordinal/?' }
          { path: '/wakeAt/?' }
        ]
        excludedPaths: [
          { path: '/*' }
          { path: '/"_etag"/?' }
        ]
      }
    }
    options: isServerless ? {} : { autoscaleSettings: { maxThroughput: maxThroughput } }
  }
}

// Less than the built-in contributor: documents and queries, but no stored procedures, triggers or conflicts.
resource documentsRole 'Microsoft.DocumentDB/databaseAccounts/sqlRoleDefinitions@2024-11-15' = {
  parent: account
  name: guid(account.id, 'documents')
  properties: {
    roleName: 'meshwright documents'
    type: 'CustomRole'
    assignableScopes: [account.id]
    permissions: [
      {
        dataActions: [
          'Microsoft.DocumentDB/databaseAccounts/readMetadata'
          'Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers/executeQuery'
          'Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers/items/*'
        ]
      }
    ]
  }
}

@description('The journal, what is owed, and the model that data planes are brought to.')
resource functionsRole 'Microsoft.DocumentDB/databaseAccounts/sqlRoleAssignments@2024-11-15' = {
  parent: account
  name: guid(account.id, functionsPrincipalId, documentsRole.id)
  properties: {
    principalId: functionsPrincipalId
    roleDefinitionId: documentsRole.id
    scope: account.id
  }
}

@description('The server for plain Envoys reads the model and writes down what Envoys take.')
resource xdsRole 'Microsoft.DocumentDB/databaseAccounts/sqlRoleAssignments@2024-11-15' = if (deployXds) {
  parent: account
  name: guid(account.id, xdsPrincipalId, documentsRole.id)
  properties: {
    principalId: xdsPrincipalId
    roleDefinitionId: documentsRole.id
    scope: account.id
  }
}

resource diagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'to-workspace'
  scope: account
  properties: {
    workspaceId: workspaceId
    logs: [
      { category: 'ControlPlaneRequests', enabled: true }
    ]
  }
}

output accountId string = account.id
output endpoint string = account.properties.documentEndpoint
output database string = database.name
output container string = container.name
