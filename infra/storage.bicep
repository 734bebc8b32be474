// Two accounts without keys: one that the Functions host owns, with its queues; one for what has to outlive it, which it may only add to.
param location string
param tags object
param token string
param privateNetwork bool
param anchorRetentionDays int
param anchorsLocked bool
param redundancy string
param workspaceId string
param functionsPrincipalId string

var blobDataOwner = 'b7e6dc6d-f1e8-4753-8033-0f276bb0955b'
var blobDataContributor = 'ba92f5b4-2d11-453d-a403-e96b0029c9fe'
var queueDataContributor = '974c5e8b-45b9-4653-ba55-5f855dd0fb88'
var tableDataContributor = '0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3'

// Each queue with the one that the host moves a message to after its last attempt.
var queueNames = ['alarms', 'events']

// Event Grid has no private way out: its topics come in as trusted services where everybody else is kept out.
var networkAcls = {
  defaultAction: privateNetwork ? 'Deny' : 'Allow'
  bypass: 'AzureServices'
}

resource host 'Microsoft.Storage/storageAccounts@2024-01-01' = {
  name: 'sthost${token}'
  location: location
  tags: tags
  kind: 'StorageV2'
  sku: {
    name: redundancy
  }
  properties: {
    allowSharedKeyAccess: false
    allowBlobPublicAccess: false
    defaultToOAuthAuthentication: true
    minimumTlsVersion: 'TLS1_2'
    supportsHttpsTrafficOnly: true
    networkAcls: networkAcls
  }
}

resource hostBlobs 'Microsoft.Storage/storageAccounts/blobServices@2024-01-01' = {
  parent: host
  name: 'default'
}

resource deployments 'Microsoft.Storage/storageAccounts/blobServices/containers@2024-01-01' = {
  parent: hostBlobs
  name: 'deployments'
}

resource hostQueues 'Microsoft.Storage/storageAccounts/queueServices@2024-01-01' = {
  parent: host
  name: 'default'
}

resource queues 'Microsoft.Storage/storageAccounts/queueServices/queues@2024-01-01' = [for name in queueNames: {
  parent: hostQueues
  name: name
}]

resource poisonQueues 'Microsoft.Storage/storageAccounts/queueServices/queues@2024-01-01' = [for name in queueNames: {
  parent: hostQueues
  name: '${name}-poison'
}]

resource records 'Microsoft.Storage/storageAccounts@2024-01-01' = {
  name: 'strec${token}'
  location: location
  tags: tags
  kind: 'StorageV2'
  sku: {
    name: redundancy
  }
  properties: {
    allowSharedKeyAccess: false
    allowBlobPublicAccess: false
    defaultToOAuthAuthentication: true
    minimumTlsVersion: 'TLS1_2'
    supportsHttpsTrafficOnly: true
    networkAcls: networkAcls
  }
}

resource recordsBlobs 'Microsoft.Storage/storageAccounts/blobServices@2024-01-01' = {
  parent: records
  name: 'default'
  properties: {
    deleteRetentionPolicy: {
      enabled: true
      days: 30
    }
  }
}

resource deadLetters 'Microsoft.Storage/storageAccounts/blobServices/containers@2024-01-01' = {
  parent: recordsBlobs
  name: 'dead-letters'
}

resource anchors 'Microsoft.Storage/storageAccounts/blobServices/containers@2024-01-01' = {
  parent: recordsBlobs
  name: 'journal-anchors'
}

resource anchorsImmutable 'Microsoft.Storage/storageAccounts/blobServices/containers/immutabilityPolicies@2024-01-01' = if (!anchorsLocked) {
  parent: anchors
  name: 'default'
  properties: {
    immutabilityPeriodSinceCreationInDays: anchorRetentionDays
    allowProtectedAppendWrites: false
  }
}

@description('The Functions host keeps its leases, its keys and the deployed code here, and makes containers for them.')
resource hostBlobRole 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(host.id, functionsPrincipalId, blobDataOwner)
  scope: host
  properties: {
    principalId: functionsPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', blobDataOwner)
  }
}

@description('Alarms are sent and taken, and what cannot be done is moved to the poison queue.')
resource hostQueueRole 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(host.id, functionsPrincipalId, queueDataContributor)
  scope: host
  properties: {
    principalId: functionsPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', queueDataContributor)
  }
}

@description('The Functions host writes its own diagnostic events into tables.')
resource hostTableRole 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(host.id, functionsPrincipalId, tableDataContributor)
  scope: host
  properties: {
    principalId: functionsPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', tableDataContributor)
  }
}

@description('Dead letters are listed, sent again, and removed when they were.')
resource functionsDeadLetterRole 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(deadLetters.id, functionsPrincipalId, blobDataContributor)
  scope: deadLetters
  properties: {
    principalId: functionsPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', blobDataContributor)
  }
}

@description('The anchors of each day are added; the policy keeps them from being changed.')
resource functionsAnchorRole 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(anchors.id, functionsPrincipalId, blobDataContributor)
  scope: anchors
  properties: {
    principalId: functionsPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', blobDataContributor)
  }
}

resource recordsDiagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'to-workspace'
  scope: recordsBlobs
  properties: {
    workspaceId: workspaceId
    logs: [
      { category: 'StorageWrite', enabled: true }
      { category: 'StorageDelete', enabled: true }
    ]
  }
}

output hostAccountId string = host.id
output hostAccountName string = host.name
output recordsAccountId string = records.id
output recordsAccountName string = records.name
output deploymentContainerUrl string = '${host.properties.primaryEndpoints.blob}${deployments.name}'
output eventsQueueName string = queueNames[1]
output deadLetterContainerName string = deadLetters.name
output deadLetterContainerUrl string = '${records.properties.primaryEndpoints.blob}${deadLetters.name}'
output anchorsContainerUrl string = '${records.properties.primaryEndpoints.blob}${anchors.name}'
