// What Azure tells of: Key Vault, a container registry, Azure Resource Manager, and a topic of our own that CI/CD sends to. All as
// CloudEvents, to the Event Grid trigger, or to a queue where the network is private; what cannot be delivered is kept. Each topic acts by an
// identity of its own: of a storage account with a firewall, no other is a trusted service (learn.microsoft.com/azure/event-grid/handler-storage-queues).
param location string
param tags object
param token string
param privateNetwork bool
param functionsDeployed bool
param functionAppId string
param functionsPrincipalId string
param hostAccountName string
param recordsAccountName string
param eventsQueueName string
param deadLetterContainerName string
param vaultId string
param registryId string
param registryLocation string
param watchedOperations array
param workspaceId string

var blobDataContributor = 'ba92f5b4-2d11-453d-a403-e96b0029c9fe'
var queueMessageSender = 'c6a89b2d-59bc-44d0-9896-0f6e12d7b80a'
var eventGridDataSender = 'd5a91429-5739-47e2-a06b-3470a27159e7'
var functionName = 'deploymentEvents'
var subscribed = privateNetwork || functionsDeployed
var watchesRegistry = !empty(registryId)

var identity = { type: 'SystemAssigned' }

resource host 'Microsoft.Storage/storageAccounts@2024-01-01' existing = {
  name: hostAccountName
}

resource records 'Microsoft.Storage/storageAccounts@2024-01-01' existing = {
  name: recordsAccountName
}

resource recordsBlobs 'Microsoft.Storage/storageAccounts/blobServices@2024-01-01' existing = {
  parent: records
  name: 'default'
}

resource deadLetters 'Microsoft.Storage/storageAccounts/blobServices/containers@2024-01-01' existing = {
  parent: recordsBlobs
  name: deadLetterContainerName
}

// Seven days for a queue: as long as Event Grid would try twice over.
var delivery = privateNetwork
  ? {
      deliveryWithResourceIdentity: {
        identity: identity
        destination: {
          endpointType: 'StorageQueue'
          properties: {
            resourceId: host.id
            queueName: eventsQueueName
            queueMessageTimeToLiveInSeconds: 604800
          }
        }
      }
    }
  : {
      destination: {
        endpointType: 'AzureFunction'
        properties: {
          resourceId: '${functionAppId}/functions/${functionName}'
          maxEventsPerBatch: 1
          preferredBatchSizeInKilobytes: 64
        }
      }
    }

var tried = union(delivery, {
  eventDeliverySchema: 'CloudEventSchemaV1_0'
  retryPolicy: {
    maxDeliveryAttempts: 30
    eventTimeToLiveInMinutes: 1440
  }
})

var common = union(tried, {
  deadLetterWithResourceIdentity: {
    identity: identity
    deadLetterDestination: {
      endpointType: 'StorageBlob'
      properties: {
        resourceId: records.id
        blobContainerName: deadLetterContainerName
      }
    }
  }
})

resource vaultTopic 'Microsoft.EventGrid/systemTopics@2025-02-15' = {
  name: 'evgt-vault-${token}'
  location: location
  tags: tags
  identity: identity
  properties: {
    source: vaultId
    topicType: 'Microsoft.KeyVault.vaults'
  }
}

@description('The topic of the vault writes down what it could not deliver.')
resource vaultDeadLetterRole 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(deadLetters.id, vaultTopic.id, blobDataContributor)
  scope: deadLetters
  properties: {
    principalId: vaultTopic.identity.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', blobDataContributor)
  }
}

@description('The topic of the vault puts events into the queue where the network is private.')
resource vaultQueueRole 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (privateNetwork) {
  name: guid(host.id, vaultTopic.id, queueMessageSender)
  scope: host
  properties: {
    principalId: vaultTopic.identity.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', queueMessageSender)
  }
}

resource vaultSubscription 'Microsoft.EventGrid/systemTopics/eventSubscriptions@2025-02-15' = if (subscribed) {
  parent: vaultTopic
  dependsOn: [vaultDeadLetterRole, vaultQueueRole]
  name: 'certificates'
  properties: union(common, {
    filter: {
      includedEventTypes: [
        'Microsoft.KeyVault.CertificateNewVersionCreated'
        'Microsoft.KeyVault.CertificateNearExpiry'
        'Microsoft.KeyVault.CertificateExpired'
      ]
    }
  })
}

resource registryTopic 'Microsoft.EventGrid/systemTopics@2025-02-15' = if (watchesRegistry) {
  name: 'evgt-registry-${token}'
  location: registryLocation
  tags: tags
  identity: identity
  properties: {
    source: registryId
    topicType: 'Microsoft.ContainerRegistry.Registries'
  }
}

@description('The topic of the registry writes down what it could not deliver.')
resource registryDeadLetterRole 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (watchesRegistry) {
  name: guid(deadLetters.id, registryTopic.id, blobDataContributor)
  scope: deadLetters
  properties: {
    principalId: registryTopic!.identity.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', blobDataContributor)
  }
}

@description('The topic of the registry puts events into the queue where the network is private.')
resource registryQueueRole 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (privateNetwork && watchesRegistry) {
  name: guid(host.id, registryTopic.id, queueMessageSender)
  scope: host
  properties: {
    principalId: registryTopic!.identity.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', queueMessageSender)
  }
}

resource registrySubscription 'Microsoft.EventGrid/systemTopics/eventSubscriptions@2025-02-15' = if (watchesRegistry && subscribed) {
  parent: registryTopic
  dependsOn: [registryDeadLetterRole, registryQueueRole]
  name: 'images'
  properties: union(common, {
    filter: {
      includedEventTypes: ['Microsoft.ContainerRegistry.ImagePushed']
    }
  })
}

// A subscription is nowhere, and a topic that is nowhere can have no identity (learn.microsoft.com/azure/event-grid/enable-identity-system-topics):
// nothing lets it into the queue of a private network, and nobody keeps what it cannot deliver.
resource resourcesTopic 'Microsoft.EventGrid/systemTopics@2025-02-15' = if (!privateNetwork) {
  name: 'evgt-resources-${token}'
  location: 'global'
  tags: tags
  properties: {
    source: subscription().id
    topicType: 'Microsoft.Resources.Subscriptions'
  }
}

resource resourcesSubscription 'Microsoft.EventGrid/systemTopics/eventSubscriptions@2025-02-15' = if (!privateNetwork && subscribed) {
  parent: resourcesTopic
  name: 'writes'
  properties: union(tried, {
    filter: {
      includedEventTypes: [
        'Microsoft.Resources.ResourceWriteSuccess'
        'Microsoft.Resources.ResourceActionSuccess'
      ]
      advancedFilters: [
        {
          operatorType: 'StringBeginsWith'
          key: 'data.operationName'
          values: watchedOperations
        }
      ]
    }
  })
}

resource topic 'Microsoft.EventGrid/topics@2025-02-15' = {
  name: 'evgt-meshwright-${token}'
  location: location
  tags: tags
  identity: identity
  properties: {
    inputSchema: 'CloudEventSchemaV1_0'
    disableLocalAuth: true
    minimumTlsVersionAllowed: '1.2'
    publicNetworkAccess: privateNetwork ? 'Disabled' : 'Enabled'
  }
}

@description('The topic of our own writes down what it could not deliver.')
resource topicDeadLetterRole 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(deadLetters.id, topic.id, blobDataContributor)
  scope: deadLetters
  properties: {
    principalId: topic.identity.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', blobDataContributor)
  }
}

@description('The topic of our own puts events into the queue where the network is private.')
resource topicQueueRole 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (privateNetwork) {
  name: guid(host.id, topic.id, queueMessageSender)
  scope: host
  properties: {
    principalId: topic.identity.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', queueMessageSender)
  }
}

resource topicSubscription 'Microsoft.EventGrid/topics/eventSubscriptions@2025-02-15' = if (subscribed) {
  parent: topic
  dependsOn: [topicDeadLetterRole, topicQueueRole]
  name: 'deployments'
  properties: union(common, {
    filter: {
      includedEventTypes: ['Meshwright.Deployment.Requested']
    }
  })
}

@description('What was decided is told to whoever subscribes to the topic.')
resource topicRole 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(topic.id, functionsPrincipalId, eventGridDataSender)
  scope: topic
  properties: {
    principalId: functionsPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', eventGridDataSender)
  }
}

resource topicDiagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'to-workspace'
  scope: topic
  properties: {
    workspaceId: workspaceId
    logs: [
      { category: 'DeliveryFailures', enabled: true }
      { category: 'PublishFailures', enabled: true }
    ]
  }
}

resource vaultTopicDiagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'to-workspace'
  scope: vaultTopic
  properties: {
    workspaceId: workspaceId
    logs: [
      { category: 'DeliveryFailures', enabled: true }
    ]
  }
}

resource registryTopicDiagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = if (watchesRegistry) {
  name: 'to-workspace'
  scope: registryTopic
  properties: {
    workspaceId: workspaceId
    logs: [
      { category: 'DeliveryFailures', enabled: true }
    ]
  }
}

resource resourcesTopicDiagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = if (!privateNetwork) {
  name: 'to-workspace'
  scope: resourcesTopic
  properties: {
    workspaceId: workspaceId
    logs: [
      { category: 'DeliveryFailures', enabled: true }
    ]
  }
}

output topicId string = topic.id
output topicEndpoint string = topic.properties.endpoint
